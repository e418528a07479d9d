#!/bin/sh
# init_firewall.sh is sourced, as fw3 and fw4 do with their includes: it locks, and the caller's shell does
# not change. fwcfg.sh restart locks nothing while a daemon with -d runs.
# takes 145 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
locked() {
    case $VARIANT in
        bare) on device nft list chain inet connmgr input | grep -q 'policy drop' ;;
        *) on device "$LAB/$VARIANT/iptables" -S INPUT | grep -qx -e '-P INPUT DROP' ;;
    esac
}

# shellcheck disable=SC2016  # the caller's business
sourced() {
    for lines in 'set -- an argument' 'set -eu' 'set +eu; set -f' 'IFS=x'; do
        unlock
        cat >"$LAB/caller" <<END
$lines
here=mine run=mine self=mine links=mine
before="\$-|\$*|\$IFS|\$PATH"
. "$REPO/scripts/init_firewall.sh"
echo "status \$?"
[ "\$-|\$*|\$IFS|\$PATH" = "\$before" ] && echo unchanged
echo "\$here \$run \$self \$links"
trap
END
        SCRIPTS=$LAB ENVIRONMENT=CONNMGR_SCRIPT_DIR=$REPO/scripts script caller
        SCRIPTS='' ENVIRONMENT=
        check "${WITH}sourced ($lines): the caller ends well" status_is 0
        check "${WITH}sourced ($lines): locked" locked
        printf '%s\n' 'status 0' unchanged 'mine mine mine mine' | same "${WITH}sourced ($lines): the caller is as it was" tail -n 3 "$LAB/said"
    done
    # It fails: the caller gets the status and continues.
    unlock
    echo "ETH_INTERFACE_0='/'" >"$LAB/etc/netif_names"
    printf '. "%s/scripts/init_firewall.sh"\necho "status $?"\n' "$REPO" >"$LAB/caller"
    SCRIPTS=$LAB ENVIRONMENT=CONNMGR_SCRIPT_DIR=$REPO/scripts script caller
    SCRIPTS='' ENVIRONMENT=
    echo 'status 78' | same "${WITH}sourced, and it fails: the caller goes on" tail -n 1 "$LAB/said"
    : >"$LAB/etc/netif_names"
    # As fw4 does: sh -c ". PATH".
    on device env PATH="$LAB/$VARIANT:$PATH" CONNMGR_SCRIPT_DIR="$REPO/scripts" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" \
        CONNMGR_FIREWALL="$(case $VARIANT in bare) echo nft ;; *) echo iptables ;; esac)" \
        sh -c "config() { :; }; . $REPO/scripts/init_firewall.sh" >"$LAB/said" 2>&1
    check "${WITH}sourced by sh -c: locked" locked
    unlock
}

restart() {
    unlock
    for option in -d -vd --disable-firewall --disable-firewall=true; do
        fake_daemon "$option"
        script fwcfg.sh restart
        check "${WITH}beside connmgr $option: refused" status_is 1
        check "${WITH}beside connmgr $option: says why" grep -q "runs without a firewall ($option): nothing is locked, nothing has changed" "$LAB/complained"
        check "${WITH}beside connmgr $option: nothing is locked" not locked
        end_daemon
    done
    for option in -v --log=daemon --idle --disable-firewall=false; do
        fake_daemon "$option"
        script fwcfg.sh restart
        check "${WITH}beside connmgr $option: locked" locked
        script fwcfg.sh unlock
        check "${WITH}beside connmgr $option: unlock warns" grep -q 'runs, and may lock again' "$LAB/complained"
        end_daemon
    done
    # Another program has the pid now; then no process has it.
    echo $$ >"$LAB/run/connmgr.pid"
    script fwcfg.sh restart
    check "${WITH}beside no daemon: locked" status_is 0
    rm "$LAB/run/connmgr.pid"
    unlock
}
# fake_daemon OPTION: a process of that name and command line.
fake_daemon() {
    mkdir -p "$LAB/run" "$LAB/bin"
    cp "$(command -v bash)" "$LAB/bin/connmgr"
    # shellcheck disable=SC2016  # the process's business
    "$LAB/bin/connmgr" -c 'while :; do read -r -t 1000 <>"$0"; done' "$LAB/bin/fifo" "$1" &
    daemon=$!
    poll 5 grep -q connmgr "/proc/$daemon/comm"
    echo "$daemon" >"$LAB/run/connmgr.pid"
}
end_daemon() {
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || :
}
mkdir -p "$LAB/bin"
mkfifo "$LAB/bin/fifo"

backends sourced restart
