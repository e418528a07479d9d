#!/bin/sh
# init_firewall.sh: locks the device down, or repairs the lockdown. firewall_policy defines what is open
# afterwards; docs/lockdown.md shows it as a table: loopback, the services that a device needs, the daemon's
# own probes, and the whitelisted addresses; for hosts behind the bridge the same, and DHCP and DNS of the
# device itself. No connection is admitted inwards.
#
# Run it or source it (fw3 and fw4 source their includes). It never changes the caller's options, variables or
# traps, and never exits the caller. When sourced, it takes the other scripts from $CONNMGR_SCRIPT_DIR
# (/usr/lib/af-conn).
#
# The change is one transaction with nft, and one per family and variant with iptables. At no moment is the
# device open, or without the addresses that were admitted before. NAT and other programs' rules are not
# touched. If the backend changes, the old lockdown is removed once the new one is in force. What a failed
# lockdown has closed is then opened, too.
#
# Finally it runs $CONNMGR_CONFIG_DIR/firewall.user (/etc/af-conn) with sh, if the file exists, with
# CONNMGR_BACKEND=nft|iptables in its environment. If that fails, does not parse, takes longer than 8 s, or removes rules
# of the lockdown, the lockdown stays in force without it: closed to others, but the cloud is reachable, so that an update can
# repair it.
#
# The environment. A variable that is not set keeps the setting in force; without one, the script finds out:
#   CONNMGR_FIREWALL=auto|nft|iptables   the backend. auto: nft where it works, else iptables. Not set: the one in force, else
#                        iptables where it is installed, else nft. (A daemon that does not set it cannot fill sets of nft: it is
#                        told "sets: no", and then calls fwcfg.sh for each address, whatever the backend.)
#   CONNMGR_SETS=yes|no  iptables: whether the sets afero4 and afero6 hold the addresses, or a rule each (fwcfg.sh)
#   CONNMGR_MARK_BIT=N   the bit of the firewall mark that the daemon's own packets have, 0 to 30 (7)
#   CONNMGR_QUEUE=N      DNS replies go through NFQUEUE N; empty: they do not
#   CONNMGR_NAME_SERVERS=any|set|ADDR...   which name servers may be asked: any; those in the sets afero4_servers and
#                        afero6_servers; or these, separated by spaces. Not set, and never set: any
#   CONNMGR_RESOLVER_USERS=N...   users that may ask any name server. Together with CONNMGR_NAME_SERVERS, as the next two
#   CONNMGR_PROBED=set|ADDR...    addresses that the daemon probes, in the sets afero4_probed and afero6_probed, or these
#   CONNMGR_PROBE_PORTS=WORD...   at which ports: tcp:80, udp:5683
#   CONNMGR_AUDIT=yes|no the rules are the same, but packets that no rule accepts pass. Nothing is reset, no connection is ended
#
# The report on stdout, a line each:
#   backend: nft|iptables    and "backend-reason: TEXT" if CONNMGR_FIREWALL=auto could not use nft
#   sets: yes|no             whether sets hold the addresses
#   queue: N|none
#   name-servers: any|listed whether port 53 is open to the name servers alone
#   probes: mark|state       how the rules recognize the daemon's own probes
#   bridged: yes|no          whether frames that are only bridged pass if br_netfilter shows them to the firewall
#   audit: yes               only with CONNMGR_AUDIT=yes: nothing is dropped
#   ended: N|unknown         how many connections from before the lockdown were ended
#   firewall.user: ok|failed, STATUS    only if there is one; stderr says more
#   still-locked: yes        only with status 75: the lockdown of before is in force as it was
# Status 0: locked, also if firewall.user failed. 64: bad argument. 75: another program held the lock of iptables; try again. 78: bad
# netif_names, or neither nft nor iptables is installed. 1: stderr says what did not work.

init_firewall() {
    set -euf
    # shellcheck source=firewall_functions
    . "$here/firewall_functions"
    # shellcheck source=firewall_policy
    . "$here/firewall_policy"
    # shellcheck source=firewall_nft
    . "$here/firewall_nft"
    # shellcheck source=firewall_iptables
    . "$here/firewall_iptables"

    # Finish the lockdown even if the caller ends: an incomplete lockdown protects nothing.
    trap '' HUP INT PIPE TERM

    [ $# = 0 ] || { echo "usage: $self" >&2; exit 64; }
    read_environment
    read_services
    read_names
    user=${CONNMGR_CONFIG_DIR:-/etc/af-conn}/firewall.user
    # For firewall_policy. no: firewall.user has not run yet.
    # shellcheck disable=SC2034
    if [ -e "$user" ]; then resets=no; else resets=yes; fi
    imported=no why='' reasons='' lacks='' tables4='' tables6='' failure=1
    lock || { complain "$reasons"; exit "$failure"; }
    other_backend || : # the lockdown is in force; stderr says what is left of the other one
    [ -z "$lacks" ] || fail "$lacks: IPv4 alone is locked; $to_unlock"
    # Connections that began in the audit are older than the lockdown.
    [ ! -e "$run/audit" ] || first=yes
    ended=0
    case $audit.$first in no.yes) end_connections ;; esac
    # If the file cannot be written, the next run ends connections that are already dead.
    { mkdir -p "$run" && note_audit && echo "$mark_bit" >"$run/mark_bit" && rm -f "$run/closed"; } 2>/dev/null || :
    report
    firewall_user
}

# note_audit: records for the next run whether the audit is on. A device in the audit is not locked.
note_audit() {
    case $audit in
        yes) rm -f "$run/locked" && : >"$run/audit" ;;
        no) rm -f "$run/audit" && : >"$run/locked" ;;
    esac
}

read_environment() {
    sets=${CONNMGR_SETS-} queue=${CONNMGR_QUEUE-unset}
    case $sets in '' | yes | no) ;; *) complain "CONNMGR_SETS is yes or no"; exit 64 ;; esac
    case $queue in
        '') queue=none ;;
        unset) ;;
        *[!0-9]* | ??????*) complain "CONNMGR_QUEUE is a number, or empty"; exit 64 ;;
    esac
    case ${CONNMGR_AUDIT-} in
        yes | no) audit=$CONNMGR_AUDIT ;;
        '') if [ -e "$run/audit" ]; then audit=yes; else audit=no; fi ;;
        *) complain "CONNMGR_AUDIT is yes or no"; exit 64 ;;
    esac
    # shellcheck disable=SC2034  # firewall_nft and firewall_iptables use it
    case $audit in yes) remaining=ACCEPT ;; no) remaining=DROP ;; esac
    read_mark
    case ${CONNMGR_FIREWALL-unset} in
        auto) candidates='nft iptables' ;;
        nft | iptables) candidates=$CONNMGR_FIREWALL ;;
        unset)
            if nft_is_there; then candidates=nft
            elif has iptables-restore || has iptables-nft-restore || has iptables-legacy-restore || ! has nft; then candidates=iptables
            else candidates=nft; fi ;;
        *) complain "CONNMGR_FIREWALL is auto, nft or iptables"; exit 64 ;;
    esac
}

# read_mark: sets $mark to the bit that the environment names, else to the one in force. The number is written
# in decimal digits, which all programs read.
read_mark() {
    mark_bit=${CONNMGR_MARK_BIT-}
    [ -n "$mark_bit" ] || ! [ -r "$run/mark_bit" ] || read -r mark_bit <"$run/mark_bit" || :
    case $mark_bit in
        [0-9] | [12][0-9] | 30) ;;
        *)
            [ -z "${CONNMGR_MARK_BIT-}" ] || { complain "CONNMGR_MARK_BIT is 0 to 30"; exit 64; }
            mark_bit=7 ;;
    esac
    # shellcheck disable=SC2034  # firewall_nft and firewall_iptables use it
    mark=$((1 << mark_bit))
}

# read_services: reads what firewall_policy needs to know about the services. If no daemon sets it, the values of the
# last daemon apply.
read_services() {
    servers=any users='' probed='' probe_ports=''
    if [ -n "${CONNMGR_NAME_SERVERS+set}" ]; then
        servers=$CONNMGR_NAME_SERVERS users=${CONNMGR_RESOLVER_USERS-}
        probed=${CONNMGR_PROBED-} probe_ports=${CONNMGR_PROBE_PORTS-}
        # If the file cannot be written, a run by hand opens port 53 to all servers, until the daemon repairs it.
        { mkdir -p "$run" && printf '%s\n' "$servers" "$users" "$probed" "$probe_ports" >"$run/services"; } 2>/dev/null || :
    elif [ -r "$run/services" ]; then
        { read -r servers && read -r users && read -r probed && read -r probe_ports; } <"$run/services" || :
    fi
    case $servers$probed in *[!0-9a-fnsty.:\ ]*) complain "CONNMGR_NAME_SERVERS, CONNMGR_PROBED: any, set, or addresses"; exit 64 ;; esac
    case $users$probe_ports in *[!0-9tcpud:\ ]*) complain "CONNMGR_RESOLVER_USERS: numbers; CONNMGR_PROBE_PORTS: words like tcp:80"; exit 64 ;; esac
}

# lock: locks with the first backend that works. $reasons says why the earlier ones do not.
lock() {
    for candidate in $candidates; do
        asked_queue=$queue asked_sets=$sets asked_servers=$servers asked_users=$users asked_probed=$probed
        "${candidate}_lock" && return
        reasons="$reasons${reasons:+; }$candidate: $why"
        queue=$asked_queue sets=$asked_sets servers=$asked_servers users=$asked_users probed=$asked_probed
    done
    if ! has nft && ! find_tables; then
        failure=78
        reasons="there is neither nft nor iptables: install nftables (and the kernel's nf_tables with inet, ct and reject), or iptables and ip6tables"
    fi
    return 1
}

# other_backend: removes what is left of the other backend and of a failed lockdown.
other_backend() {
    # shellcheck disable=SC2034  # open_others and the others set them
    undone='' failed=no
    [ "$backend" = nft ] || nft_unlock
    open_others
    [ "$imported" = no ] || remove_sets
}

report() {
    # An old daemon that sets no backend cannot fill the sets of nft.
    said_sets=$sets
    [ "$backend" = iptables ] || [ -n "${CONNMGR_FIREWALL-}" ] || said_sets=no
    case $servers in any) said_servers=any ;; *) said_servers=listed ;; esac
    # Continue even if the report cannot be written.
    {
        printf '%s\n' "sets: $said_sets" "queue: $queue" "probes: $probes" "name-servers: $said_servers" "ended: $ended" "backend: $backend"
        [ -z "$reasons" ] || printf '%s\n' "backend-reason: $reasons"
        printf '%s\n' "bridged: $bridged"
        [ "$audit" = no ] || printf '%s\n' "audit: yes"
    } 2>/dev/null || :
}

# end_connections: deletes the conntrack entries of connections from before the lockdown, unless the peer is
# whitelisted. None of their packets passes anyway, but without an entry our side gets a reset at once.
end_connections() {
    ended=unknown
    has conntrack || return 0
    case $backend.$sets in iptables.yes) has ipset || return 0 ;; esac
    for each in 4 6; do
        [ "$each" = 4 ] || [ -e /proc/net/if_inet6 ] || continue
        family=$each
        list=$(conntrack -L -f "ipv$family" 2>/dev/null) || return 0
        [ "$ended" != unknown ] || ended=0
        added=$("${backend}_rule_addresses")
        IFS=$nl
        for entry in $list; do
            IFS=" $tab$nl"
            # shellcheck disable=SC2086  # words
            end $entry
            # Limit the number: each one takes time, and the daemon waits for the lockdown.
            [ "$ended" -lt 200 ] || return 0
        done
        IFS=" $tab$nl"
    done
}

# end PROTOCOL WORDS...: ends one connection of TCP or UDP, in the form that conntrack prints.
end() {
    protocol=$1 from='' to='' sport='' dport=''
    case $protocol in tcp | udp) ;; *) return 0 ;; esac
    for word; do
        # Take the first of each word; the second belongs to the other direction.
        case $word in
            src=*) from=${from:-${word#*=}} ;;
            dst=*) to=${to:-${word#*=}} ;;
            sport=*) sport=${sport:-${word#*=}} ;;
            dport=*) dport=${dport:-${word#*=}} ;;
        esac
    done
    case $from in 127.* | ::1 | "$to") return 0 ;; esac
    case $dport in 53 | 67 | 68 | 123 | 546 | 547) return 0 ;; esac
    if is_open "$to" || is_open "$from"; then return 0; fi
    if conntrack -D -f "ipv$family" -p "$protocol" -s "$from" -d "$to" --sport "$sport" --dport "$dport" >/dev/null 2>&1; then
        ended=$((ended + 1))
    fi
}

# is_open ADDRESS: true if a set has it, or if a rule of fwcfg.sh admits it ($added).
is_open() {
    if [ "$sets" = yes ] && "${backend}_is_open" "$1"; then return 0; fi
    for prefix in $added; do
        case $prefix in
            "$1" | "$1/32" | "$1/128") return 0 ;;
            */32 | */128) continue ;;
            */*) ;;
            *) continue ;;
        esac
        key_of "$prefix"
        open=$key
        key_of "$1/${prefix#*/}"
        [ "$key" != "$open" ] || return 0
    done
    return 1
}

firewall_user() {
    [ "$resets" = no ] || return 0
    user_status=0 what=''
    # Keep its output out of our report.
    sh -n "$user" >&2 || user_status=$?
    if [ "$user_status" = 0 ] && { read_user "$run/destroyer" && [ "$content" = "$destroyer" ]; }; then
        user_status=1 what="removed rules of the lockdown when it ran last, and is not run again before it is changed"
    elif [ "$user_status" = 0 ]; then
        frame=$("${backend}_now")
        run_user || user_status=$?
        if [ "$user_status" = 0 ] && ! has_frame; then
            user_status=1 what="removed rules of the lockdown"
            cat "$user" >"$run/destroyer" 2>/dev/null || :
        else
            rm -f "$run/destroyer"
        fi
    fi
    case $user_status in
        0)
            "${backend}_reset" || complain "$said: segments of connections that nobody knows are dropped, not reset"
            echo "firewall.user: ok" 2>/dev/null || : ;;
        *)
            complain "$user ${what:-failed with status $user_status}: the device is locked without it; $to_unlock"
            # Undo its incomplete changes: make our chains again, in front, and the policies.
            first=no resets=yes
            "${backend}_lock" || fail "$why"
            echo "firewall.user: failed, $user_status" 2>/dev/null || : ;;
    esac
}

# read_user FILE: sets $content and $destroyer to what firewall.user and the file contain; false if there is no such file. The
# file is a copy of a firewall.user that removed the lockdown: to run it again with each repair would open the device each time.
read_user() {
    [ -r "$1" ] || return
    content=$(cat "$user") destroyer=$(cat "$1")
}

# has_frame: true if each line of $frame is still in force: the policies, the jumps and the services. firewall.user may add
# rules of its own, also in front, but a flush of all tables would leave the device open.
has_frame() {
    now=$nl$("${backend}_now")$nl
    IFS=$nl
    for line in $frame; do
        case $now in
            *"$nl$line$nl"*) ;;
            *) IFS=" $tab$nl"; return 1 ;;
        esac
    done
    IFS=" $tab$nl"
}

# run_user: runs it for at most 8 s; the daemon waits 30 s or longer for the whole script. The caller may have blocked
# SIGTERM, so nothing here relies on it.
run_user() {
    (
        trap - HUP INT PIPE TERM
        export CONNMGR_BACKEND="$backend"
        exec sh "$user" >&2
    ) &
    user_pid=$!
    (
        sleep 8
        kill -KILL "$user_pid"
    ) </dev/null >/dev/null 2>&1 &
    watch_pid=$!
    wait "$user_pid" && run_status=0 || run_status=$?
    # Kill the timer and its sleep: systemd would report a process that is left over. Stop the timer first, so that it
    # starts no further sleep. A kernel without CONFIG_PROC_CHILDREN does not report the sleep: then it continues,
    # without effect.
    kill -STOP "$watch_pid" 2>/dev/null || :
    timer=''
    { read -r timer <"/proc/$watch_pid/task/$watch_pid/children"; } 2>/dev/null || :
    for each in $timer "$watch_pid"; do kill -KILL "$each" 2>/dev/null || :; done
    wait "$watch_pid" 2>/dev/null || :
    return "$run_status"
}

case ${0##*/} in
    init_firewall.sh)
        case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
        init_firewall "$@" ;;
    *)
        (
            here=${CONNMGR_SCRIPT_DIR:-/usr/lib/af-conn} self=init_firewall.sh
            init_firewall
        ) ;;
esac
