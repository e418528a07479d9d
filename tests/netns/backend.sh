# shellcheck shell=sh
# The backend of the lockdown. Part of lib.sh.
#
# By default a test chooses the backend ($BACKEND, else iptables). With LAB_FIREWALL=nft it is nft, whatever the test
# chooses: the daemon and its scripts find nft and BusyBox without awk, and no other tool, as on OpenWrt; /bin/sh is
# BusyBox's. The lab itself still uses all tools.

is_nft() { [ "${LAB_FIREWALL:-}" = nft ]; }

# iptables_only REASON: ends a test with nft that is about iptables alone.
iptables_only() {
    is_nft || return 0
    skip "with nft: $1"
    exit 0
}

# can_hold: true if replies can be held: with nft the kernel has to have NFT_QUEUE.
can_hold() {
    is_nft || return 0
    [ -n "${lab_can_hold:-}" ] || {
        lab_can_hold=no
        ! printf 'add table inet try\nadd chain inet try try\nadd rule inet try try queue num 5353 bypass\n' |
            unshare --net nft -c -f - 2>/dev/null || lab_can_hold=yes
    }
    [ "$lab_can_hold" = yes ]
}
no_queue="this kernel has no queue for nf_tables (NFT_QUEUE), so no reply is held"
# hold_only: ends a test of held replies where none can be held.
hold_only() {
    can_hold && return
    skip "with nft: $no_queue"
    exit 0
}

# check_first DESC CMD...: like check, if replies are held. Otherwise the address of a reply may be opened a moment after the
# application knows it, so the command may fail at first.
check_first() {
    if can_hold; then check "$@"; else wait_for 5 "$@"; fi
}

# bare_tools TOOL...: $LAB/bare has these and BusyBox's, except awk, which OpenWrt's lacks in part, and no others.
bare_tools() {
    [ ! -e "$LAB/bare/busybox" ] || return 0
    mkdir -p "$LAB/bare"
    busybox --install -s "$LAB/bare"
    rm -f "$LAB/bare/awk"
    for bare_tool in busybox "$@"; do ln -sf "$(command -v "$bare_tool")" "$LAB/bare/$bare_tool"; done
}

# open_in SET: prints what is in afero4 or afero6 (with nft, also in afero4_prefixes or afero6_prefixes), each on a line:
# "ADDRESS timeout SECONDS"; 0: for ever.
open_in() {
    if ! is_nft; then
        on device ipset list "$1" | grep -E '^[0-9a-f]+[.:]' || :
        return
    fi
    # An element is "ADDRESS timeout 1h5m expires 1h4m59s180ms", or "ADDRESS".
    on device nft list set inet connmgr "$1" 2>/dev/null | sed 's/[{},]/\n/g' | awk '
        $1 ~ /^[0-9a-f]+[.:]/ {
            text = $5
            seconds = 0
            while (match(text, /^[0-9]+[a-z]+/)) {
                part = substr(text, 1, RLENGTH)
                text = substr(text, RLENGTH + 1)
                unit = part
                sub(/^[0-9]+/, "", unit)
                seconds += unit == "d" ? part * 86400 : unit == "h" ? part * 3600 : unit == "m" ? part * 60 : unit == "s" ? part : 0
            }
            print $1, "timeout", seconds
        }'
}
# left ADDRESS|PREFIX: prints how many seconds the kernel keeps it open; nothing if it is closed.
left() {
    case $1 in *:*) left_set=afero6 ;; *) left_set=afero4 ;; esac
    ! is_nft || case $1 in */*) left_set=${left_set}_prefixes ;; esac
    open_in $left_set | sed -n "s|^$1 timeout ||p"
}

# drops: prints how many of the device's hooks drop what no rule admits: 3 if it is locked.
drops() {
    if is_nft; then
        on device nft list table inet connmgr 2>/dev/null | grep -c 'policy drop' || :
    else
        on device iptables -S | grep -c -- '^-P [A-Z]* DROP' || :
    fi
}
# sets: prints what the daemon calls the sets of this backend.
sets() { if is_nft; then echo nft; else echo sets; fi; }

# restored: true if both families are locked, the rules of the lockdown in front.
restored() {
    if is_nft; then
        [ "$(drops)" = 3 ] && on device nft list chain inet connmgr output | grep -q 'jump AFERO_ALLOW_SERVICE_OUTPUT'
        return
    fi
    for lab_tables in iptables ip6tables; do
        [ "$(on device $lab_tables -S | grep -c -- '^-P [A-Z]* DROP')" = 3 ] || return
        on device $lab_tables -S INPUT 1 | grep -q -- '-j AFERO_ALLOW_SERVICE_INPUT' || return
        on device $lab_tables -S OUTPUT 1 | grep -q -- '-j AFERO_ALLOW_SERVICE_OUTPUT' || return
    done
}
# flush_rules: another program deletes all rules, and leaves the policies.
flush_rules() {
    if is_nft; then
        on device nft flush table inet connmgr
    else
        on device iptables -F
        on device ip6tables -F
    fi
}
