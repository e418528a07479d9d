#!/bin/sh
# fwcfg.sh unlock removes every lockdown, of each backend and variant, and what a failed lockdown has closed,
# and nothing else. A successful lockdown after a failed one leaves nothing closed.
# takes 200 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
friends='198.18.100.10 2001:db8:100::10'
strangers='198.18.100.8 2001:db8:100::8'
# everything: prints all rules in the kernel, whichever program made them.
everything() {
    for table in iptables-legacy ip6tables-legacy; do
        ! on device grep -qsx filter "/proc/net/${table%%tables*}_tables_names" || on device $table-save -t filter
    done | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'
    on device nft list ruleset 2>/dev/null | sed 's/ packets [0-9]* bytes [0-9]*//'
    on device ipset list -n
}
sets_are_gone() { [ -z "$(on device ipset list -n)" ]; }
noted() { cat "$LAB/run/policies"; }

# shellcheck disable=SC2086  # lists
unlocks() {
    unlock
    # Rules and policies of other programs.
    case $VARIANT in
        bare) on device nft add table inet others '{ chain input { type filter hook input priority 0; tcp dport 7; }; }' ;;
        *)
            on device "$LAB/$VARIANT/iptables" -w -P FORWARD DROP
            on device "$LAB/$VARIANT/iptables" -w -N others
            on device "$LAB/$VARIANT/iptables" -w -A INPUT -p tcp --dport 7 -j others
            on device "$LAB/$VARIANT/ip6tables" -w -A OUTPUT -p tcp --dport 7 -j ACCEPT ;;
    esac
    everything >"$LAB/before"
    script fwcfg.sh unlock
    check "${WITH}not locked: unlock succeeds" status_is 0
    check "${WITH}and says so" grep -qx 'fwcfg.sh: unlocked already: there is no lockdown' "$LAB/said"
    same "${WITH}and changes nothing" everything <"$LAB/before"
    lock
    script fwcfg.sh add 198.18.100.10 friend
    lock "locked again"
    nothing "${WITH}locked: strangers are not reached" reached device eth0 $strangers
    script fwcfg.sh unlock
    check "${WITH}unlock succeeds" status_is 0
    check "${WITH}in one line" test "$(wc -l <"$LAB/said")" = 1
    check "${WITH}that says so" grep -q "^fwcfg.sh: unlocked: nothing of connmgr's lockdown is left" "$LAB/said"
    check "${WITH}nothing is complained of" test ! -s "$LAB/complained"
    check "${WITH}no firewall.user, no word of it" not grep -q firewall.user "$LAB/said"
    same "${WITH}all is as it was" everything <"$LAB/before"
    both $strangers | same "${WITH}unlocked: strangers are reached" reached device eth0 $strangers
    script fwcfg.sh UNLOCK
    check "${WITH}once more" grep -qx 'fwcfg.sh: unlocked already: there is no lockdown' "$LAB/said"
    check "${WITH}it leaves no notes" not noted
    unlock
    case $VARIANT in bare) on device nft delete table inet others ;; esac
}

# fails_to_lock: boot_lockdown.sh with an init_firewall.sh that fails.
fails_to_lock() {
    SCRIPTS=$LAB/broken
    rm -rf "$SCRIPTS"
    cp -r "$REPO/scripts" "$SCRIPTS"
    printf '#!/bin/sh\nexit 3\n' >"$SCRIPTS/init_firewall.sh"
    script boot_lockdown.sh --script-dir "$SCRIPTS" --config-dir "$LAB/etc" --run-dir "$LAB/run"
    SCRIPTS=
}
# shellcheck disable=SC2086  # lists
shut_and_repaired() {
    unlock
    everything >"$LAB/before"
    fails_to_lock
    check "${WITH}a lockdown that fails: shut" status_is 1
    check "${WITH}the message names the command that opens" grep -q "fwcfg.sh unlock' opens" "$LAB/complained"
    nothing "${WITH}shut: nobody is reached" reached device eth0 $strangers
    fails_to_lock
    script fwcfg.sh unlock
    check "${WITH}shut twice, then unlocked" status_is 0
    # An empty table of iptables may stay.
    both $strangers | same "${WITH}unlocked: strangers are reached" reached device eth0 $strangers
    script fwcfg.sh unlock
    check "${WITH}nothing was left" grep -q 'unlocked already' "$LAB/said"

    fails_to_lock
    lock "repaired"
    admit $friends
    both $friends | same "${WITH}repaired: friends are reached" reached device eth0 $friends $strangers
    fails_to_lock
    check "${WITH}one that fails while another is in force" status_is 1
    both $friends | same "${WITH}leaves that as it is" reached device eth0 $friends $strangers
    script fwcfg.sh unlock
    both $friends $strangers | same "${WITH}unlocked: all are reached" reached device eth0 $friends $strangers
}
backends unlocks shut_and_repaired

# Without nft, boot_lockdown.sh closes both variants of iptables.
# shellcheck disable=SC2086  # lists
both_shut() {
    unlock
    mkdir -p "$LAB/no-nft.$VARIANT"
    for tool in sh cat grep sed sort mkdir rm mv tr ipset dash busybox iptables-nft iptables-nft-save iptables-nft-restore ip6tables-nft \
        ip6tables-nft-save ip6tables-nft-restore iptables-legacy iptables-legacy-save iptables-legacy-restore ip6tables-legacy \
        ip6tables-legacy-save ip6tables-legacy-restore; do
        ln -sf "$(command -v "$tool")" "$LAB/no-nft.$VARIANT/"
    done
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "$LAB/$VARIANT/$tool" "$LAB/no-nft.$VARIANT/"
    done
    TOOLS=$LAB/no-nft.$VARIANT
    fails_to_lock
    check "${WITH}without nft: shut" status_is 1
    for table in iptables-legacy ip6tables-legacy iptables-nft ip6tables-nft; do
        check "${WITH}$table is shut" shut $table
    done
    lock "without nft: repaired"
    admit $friends
    both $friends | same "${WITH}without nft: friends are reached" reached device eth0 $friends $strangers
    # The state that the daemon leaves if the script is missing; it does not record the policies.
    rm -f "$LAB/run/policies"
    script fwcfg.sh unlock
    for table in iptables ip6tables; do
        for hook in INPUT OUTPUT FORWARD; do on device "$LAB/$VARIANT/$table" -w -P $hook DROP; done
    done
    lock "repaired where nothing was noted"
    script fwcfg.sh unlock
    both $strangers | same "${WITH}and unlocked: strangers are reached" reached device eth0 $strangers
    check "${WITH}the sets are gone" sets_are_gone
    TOOLS=
}
shut() { [ "$(on device "$1" -S | grep -c -- '^-P [A-Z]* DROP')" = 3 ]; }
variants both_shut

# Neither nft nor iptables.
VARIANT=none WITH='' SHELL_CMD=dash TOOLS=$LAB/none
mkdir -p "$TOOLS"
for tool in sh cat grep sed sort mkdir rm dash; do ln -sf "$(command -v "$tool")" "$TOOLS/"; done
fails_to_lock
check "neither nft nor iptables: open" status_is 71
check "and says what is missing, IPv4" grep -q 'there is no nft and there is no iptables: IPv4 is open' "$LAB/complained"
check "and says what is missing, IPv6" grep -q 'there is no nft and there is no ip6tables: IPv6 is open' "$LAB/complained"
TOOLS=

# Both variants and nft at once: all of it is removed.
all_at_once() {
    VARIANT=legacy WITH='all at once: ' SHELL_CMD='busybox ash'
    unlock
    everything >"$LAB/before"
    lock "legacy"
    VARIANT=nft
    lock "iptables-nft, too"
    cp -r "$LAB/run" "$LAB/run.kept"
    on device nft add table inet connmgr_closed
    script fwcfg.sh unlock
    check "unlocked" status_is 0
    # shellcheck disable=SC2086  # lists
    both $strangers | same "strangers are reached" reached device eth0 $strangers
    check "no chain of ours is left" not sh -c "nsenter --net=/run/netns/device nft list ruleset 2>/dev/null | grep -E 'AFERO|connmgr'"
    check "nor a legacy one" not sh -c "nsenter --net=/run/netns/device iptables-legacy-save | grep AFERO"
}
is_nft || all_at_once

# unlock_verb: `connmgr unlock` does the same. flock(1) holds the lock that a daemon would hold.
unlocks_by_verb() {
    verb_status=0
    verb_path=$LAB/$VARIANT
    [ "$VARIANT" = bare ] || verb_path=$verb_path:$PATH
    on device "$(command -v env)" PATH="$verb_path" "$(connmgr_path)" unlock --script-dir "$1" \
        --run-dir "$LAB/run" >"$LAB/said" 2>"$LAB/complained" || verb_status=$?
}
# shellcheck disable=SC2086  # lists
unlock_verb() {
    unlock
    lock
    unlocks_by_verb "$LAB/nowhere"
    check "${WITH}connmgr unlock, no script: 78" test "$verb_status" = 78
    check "${WITH}and says so" grep -qx "connmgr: $LAB/nowhere/fwcfg.sh: No such file or directory.*" "$LAB/complained"
    nothing "${WITH}still locked" reached device eth0 $strangers
    # A rule of firewall.user outside of our table or chains.
    echo true >"$LAB/etc/firewall.user"
    script fwcfg.sh unlock
    if [ "$VARIANT" = bare ]; then
        check "${WITH}the rules of firewall.user went with the table" not grep -q firewall.user "$LAB/said"
    else
        check "${WITH}those of firewall.user are said to stay" grep -q 'firewall.user has added to chains of iptables stay' "$LAB/said"
    fi
    rm "$LAB/etc/firewall.user"
    lock "locked again"
    unlocks_by_verb "$REPO/scripts"
    check "${WITH}connmgr unlock: 0" test "$verb_status" = 0
    check "${WITH}and says what it did" grep -q "^fwcfg.sh: unlocked: nothing of connmgr's lockdown is left" "$LAB/said"
    check "${WITH}no daemon runs: no warning" test ! -s "$LAB/complained"
    both $strangers | same "${WITH}strangers are reached" reached device eth0 $strangers
    exec 8>"$LAB/run/connmgr.pid"
    flock 8
    unlocks_by_verb "$REPO/scripts" 8>&-
    exec 8>&-
    check "${WITH}a daemon runs: connmgr unlock warns" grep -q 'a daemon is running.* stop it first' "$LAB/complained"
    rm "$LAB/run/connmgr.pid"
}
backends unlock_verb
