#!/bin/sh
# Every form in which the daemon takes -d is understood by boot_lockdown.sh and by fwcfg.sh restart, which would
# lock a device that its daemon believes open; so is every form of "-d false", and of --audit. `connmgr check`
# says what the daemon makes of it.
# takes 15 s
. "$(dirname "$0")/lib.sh"

mkdir -p "$LAB/etc" "$LAB/run" "$LAB/scripts" "$LAB/bin"
: >"$LAB/etc/whitelist"
cp "$REPO"/scripts/firewall_* "$REPO/scripts/fwcfg.sh" "$REPO/scripts/boot_lockdown.sh" "$REPO/scripts/get_netif_names" "$LAB/scripts"
# shellcheck disable=SC2016  # the stub's business
printf '#!/bin/sh\necho "$CONNMGR_AUDIT" >"%s/locked"\n' "$LAB" >"$LAB/scripts/init_firewall.sh"
chmod +x "$LAB/scripts/init_firewall.sh"
cp "$(command -v bash)" "$LAB/bin/connmgr"
mkfifo "$LAB/bin/fifo"

directories="--config-dir $LAB/etc --script-dir $LAB/scripts --run-dir $LAB/run"
# daemon_locks ARGS...: true if a daemon with these options would lock.
daemon_locks() {
    # shellcheck disable=SC2086  # words
    "$(connmgr_path)" check "$@" $directories >"$LAB/checked" 2>&1 || [ $? = 78 ]
    ! grep -q 'without a firewall' "$LAB/checked"
}
# boot_locks ARGS...
boot_locks() {
    rm -f "$LAB/locked"
    # shellcheck disable=SC2086  # words
    "$LAB/scripts/boot_lockdown.sh" "$@" $directories >"$LAB/said" 2>&1
    [ -e "$LAB/locked" ]
}
# restart_locks ARGS...: fwcfg.sh beside a process with the name and the arguments of such a daemon.
verb=restart
restart_locks() {
    rm -f "$LAB/locked"
    # shellcheck disable=SC2016  # the process's business
    "$LAB/bin/connmgr" -c 'while :; do read -r -t 1000 <>"$0"; done' "$LAB/bin/fifo" "$@" &
    daemon=$!
    poll 5 grep -q connmgr "/proc/$daemon/comm"
    echo "$daemon" >"$LAB/run/connmgr.pid"
    CONNMGR_RUN_DIR=$LAB/run CONNMGR_CONFIG_DIR=$LAB/etc "$LAB/scripts/fwcfg.sh" "$verb" >"$LAB/said" 2>&1 || :
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || :
    [ -e "$LAB/locked" ]
}

for form in -d -vd -dv '-v -d' -d=true -d:true -dtrue '-d true' -vd=True --disable-firewall --disable-firewall=true \
    --disable-firewall:true --disable-firewall=TRUE '--disable-firewall True' '--idle 30 -d'; do
    # shellcheck disable=SC2086  # words
    for locks in daemon_locks boot_locks restart_locks; do check "$form: not $locks" not $locks $form; done
done
for form in -v '--log stderr' '--idle 30' -d=false -d:False '-d false' -dfalse -vd=false '-v -d false' --disable-firewall=false \
    --disable-firewall:FALSE '--disable-firewall False' '--audit' '--mark-bit 7'; do
    # shellcheck disable=SC2086  # words
    for locks in daemon_locks boot_locks restart_locks; do check "$form: $locks" $locks $form; done
done

# unlock warns of a daemon that may lock again, not of one with -d.
warns() {
    restart_locks "$@" || :
    grep -q 'may lock again' "$LAB/said"
}
verb=unlock
check "-d: unlock warns of nothing" not warns -d
check "-v: unlock warns of the daemon" warns -v

audits() { boot_locks "$@" && [ "$(cat "$LAB/locked")" = yes ]; }
for form in --audit --audit=true --audit:true --audit=True '--audit true'; do
    # shellcheck disable=SC2086  # words
    check "boot_lockdown.sh $form: an audit" audits $form
done
for form in --audit=false --audit:false '--audit False' --idle=30; do
    # shellcheck disable=SC2086  # words
    check "boot_lockdown.sh $form: no audit" not audits $form
done
