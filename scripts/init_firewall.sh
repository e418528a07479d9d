#!/bin/sh
# init_firewall.sh: locks the device down, or mends the lockdown. What is open afterwards: loopback, the services that a
# device needs (DNS, ping, NTP, DHCP), the daemon's own probes, and the addresses that are whitelisted; for the hosts behind
# the bridge the same, and DHCP and DNS of the device itself. Nobody is let in.
#
# Each family's rules change in one step, so there is no moment in which it is open, and none without the addresses that
# were admitted before. Rules of others stay, behind ours; nat and mangle are not touched. At last it runs
# $CONNMGR_CONFIG_DIR/firewall.user (/etc/af-conn), if there is one.
#
# CONNMGR_SETS=yes|no: whether the sets afero4 and afero6 hold the addresses, or a rule each (fwcfg.sh). CONNMGR_QUEUE=N: DNS
# replies go through NFQUEUE N (empty: they do not). Where one is not set, what is in force is kept, or else found out.
#
# It says (stdout) "sets: yes|no", "queue: N|none", "probes: mark|state", "ended: N|unknown", the last one being the connections
# of before the lockdown. Status 0: locked. 64: bad argument. 78: bad netif_names. Else stderr says what did not work.
set -euf
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
# shellcheck source=firewall_functions
. "$here/firewall_functions"

# Half a lockdown helps nobody: it is finished, whoever goes away.
trap '' HUP INT PIPE TERM

run=${CONNMGR_RUN_DIR:-/var/run/connmgr}
mark=0xafe0/0xffff # the daemon's sockets: LinkSocket.Mark
hooks='INPUT OUTPUT FORWARD'

# chain_of HOOK service|whitelist
chain_of() {
    case $1.$2 in
        FORWARD.service) chain=AFERO_FORWARD_ACCEPT_SERVICE ;;
        FORWARD.whitelist) chain=AFERO_FORWARD_WHITELIST ;;
        *.service) chain=AFERO_ALLOW_SERVICE_$1 ;;
        *.whitelist) chain=AFERO_ALLOW_WHITELIST_$1 ;;
    esac
}

# -- the rules ------------------------------------------------------------------------------------------------------

# Every packet is judged, not only the first of a connection. So what was open before the lockdown is dead, and whoever is
# taken from the whitelist is cut off at once. The direction tells who called whom: we, or those behind the bridge, did.
relates='-m conntrack --ctstate RELATED --ctdir REPLY'
# A segment in the middle of a connection that conntrack does not know: perhaps they called us, before the lockdown.
unknown='-p tcp ! --syn -m conntrack --ctstate NEW'

rules() { printf -- "-A $chain %s\n" "$@"; }

# accept_answers ARGS...: to what a client may ask, beside the whitelist.
accept_answers() {
    away="! -i $bridge" # no name server is behind the bridge
    if [ "$queue" != none ]; then
        rules "$away $* -p udp --sport 53 $answers -j NFQUEUE --queue-num $queue --queue-bypass" \
            "$away $* -p tcp --sport 53 $answers -j NFQUEUE --queue-num $queue --queue-bypass"
    fi
    rules "$away $* -p udp --sport 53 $answers -j ACCEPT" \
        "$away $* -p tcp --sport 53 $answers -j ACCEPT" \
        "$* -p udp --sport 123 $answers -j ACCEPT" \
        "$* -p $icmp $icmp_type echo-reply $answers -j ACCEPT"
    for type in $errors; do
        rules "$* -p $icmp $icmp_type $type $relates -j ACCEPT"
    done
}

# accept_questions ARGS...: what a client may ask.
accept_questions() {
    rules "$* -p udp --dport 53 $asks -j ACCEPT" \
        "$* -p tcp --dport 53 $asks -j ACCEPT" \
        "$* -p udp --dport 123 $asks -j ACCEPT" \
        "$* -p $icmp $icmp_type echo-request $asks -j ACCEPT"
}

service_input() {
    rules "-i lo -j ACCEPT"
    accept_answers
    case $probes in
        mark) rules "-m connmark --mark $mark $answers -j ACCEPT" ;;
        state) rules "-p tcp $answers -j ACCEPT" ;;
    esac
    rules "-i $bridge -p udp --dport 53 $asks -j ACCEPT" \
        "-i $bridge -p tcp --dport 53 $asks -j ACCEPT"
    if [ "$family" = 4 ]; then
        for link in $links; do rules "-i $link -p udp --sport 67 --dport 68 -j ACCEPT"; done
        rules "-i $bridge -p udp --sport 68 --dport 67 -j ACCEPT"
        return
    fi
    for link in $links; do
        rules "-i $link -s fe80::/10 -d fe80::/10 -p udp --sport 547 --dport 546 -j ACCEPT" \
            "-i $link -s fe80::/10 -p icmpv6 --icmpv6-type router-advertisement $from_link -j ACCEPT"
    done
    rules "-i $bridge -s fe80::/10 -p udp --sport 546 --dport 547 -j ACCEPT" \
        "-i $bridge -p icmpv6 --icmpv6-type router-solicitation $from_link -j ACCEPT"
    for link in $links $bridge; do
        rules "-i $link -p icmpv6 --icmpv6-type neighbour-solicitation $from_link -j ACCEPT" \
            "-i $link -p icmpv6 --icmpv6-type neighbour-advertisement $from_link -j ACCEPT" \
            "-i $link -s fe80::/10 -p icmpv6 --icmpv6-type 130 -j ACCEPT" # multicast listener query
    done
}

service_output() {
    rules "-o lo -j ACCEPT" \
        "$unknown -j REJECT --reject-with tcp-reset"
    [ "$probes" = state ] || rules "-m mark --mark $mark $asks -j CONNMARK --set-xmark $mark"
    rules "-m mark --mark $mark $asks -j ACCEPT"
    for link in $links; do accept_questions "-o $link"; done
    # As a server: DNS, and DHCP, which looks by an echo request whether an address is free.
    rules "-o $bridge -p udp --sport 53 $answers -j ACCEPT" \
        "-o $bridge -p tcp --sport 53 $answers -j ACCEPT" \
        "-o $bridge -p $icmp $icmp_type echo-request $asks -j ACCEPT"
    # As a router: what a host has to know of its packets, and the resets of our own REJECT.
    rules "-o $bridge -p $icmp $icmp_type $too_big -j ACCEPT" \
        "-p $icmp $icmp_type $too_big -m conntrack --ctstate RELATED -j ACCEPT" \
        "-o $bridge -p tcp --tcp-flags RST RST $relates -j ACCEPT"
    if [ "$family" = 4 ]; then
        for link in $links; do rules "-o $link -p udp --sport 68 --dport 67 -j ACCEPT"; done
        rules "-o $bridge -p udp --sport 67 --dport 68 -j ACCEPT"
        return
    fi
    for link in $links; do
        rules "-o $link -s fe80::/10 -p udp --sport 546 --dport 547 -j ACCEPT" \
            "-o $link -p icmpv6 --icmpv6-type router-solicitation -j ACCEPT"
    done
    rules "-o $bridge -s fe80::/10 -p udp --sport 547 --dport 546 -j ACCEPT" \
        "-o $bridge -s fe80::/10 -p icmpv6 --icmpv6-type router-advertisement -j ACCEPT"
    for link in $links $bridge; do
        for type in neighbour-solicitation neighbour-advertisement 131 132 143; do # from 131: multicast listener reports
            rules "-o $link -p icmpv6 --icmpv6-type $type -j ACCEPT"
        done
    done
}

service_forward() {
    rules "-i $bridge $unknown -j REJECT --reject-with tcp-reset"
    accept_answers "-o $bridge"
    for link in $links; do accept_questions "-i $bridge -o $link"; done
    rules "-i $bridge -p $icmp $icmp_type $too_big -m conntrack --ctstate RELATED -j ACCEPT"
}

# in_family 4|6: what the families call their things.
in_family() {
    family=$1
    case $1 in
        4)
            tables=$tables4 icmp=icmp icmp_type=--icmp-type too_big=fragmentation-needed
            errors='destination-unreachable time-exceeded parameter-problem' ;;
        6)
            tables=$tables6 icmp=icmpv6 icmp_type=--icmpv6-type too_big=packet-too-big
            errors='destination-unreachable packet-too-big time-exceeded parameter-problem' ;;
    esac
}

# -- what there is --------------------------------------------------------------------------------------------------

# survey: the table's chains and rules, without those of ours that need not be known.
survey() {
    # The nft variant complains of each legacy table there is.
    all=$("$table-save" -t filter 2>/dev/null) || fail "$table-save failed"
    have=$nl$(printf '%s\n' "$all" | grep -E '^:|^-A (INPUT|OUTPUT|FORWARD) |--match-set afero[46] |NFQUEUE')$nl || :
}
is_there() { case $have in *"$nl:$1 "*) ;; *) return 1 ;; esac }
matches_sets() { case $have in *"$nl-A $1 "*" --match-set afero$family "*) ;; *) return 1 ;; esac }

# settle: what the environment leaves open is as it is now, or as it can be.
settle() {
    sets=${CONNMGR_SETS-} queue=${CONNMGR_QUEUE-unset} probes=mark from_link='-m hl --hl-eq 255' first=no
    # Somebody's flush is no first run.
    if [ ! -e "$run/locked" ] && ! is_there AFERO_ALLOW_SERVICE_INPUT; then first=yes; fi
    case $sets in
        yes | no) ;;
        '')
            sets=yes
            if ! matches_sets AFERO_ALLOW_WHITELIST_OUTPUT; then
                case $have in *"$nl-A OUTPUT -j AFERO_ALLOW_WHITELIST_OUTPUT$nl"*) sets=no ;; *) make_sets || : ;; esac
            fi ;;
        *) complain "CONNMGR_SETS is yes or no"; exit 64 ;;
    esac
    case $queue in
        '') queue=none ;;
        unset)
            queue=none
            case $have in
                *"$nl-A AFERO_ALLOW_SERVICE_INPUT "*" --queue-num "*)
                    queue=${have#*"$nl-A AFERO_ALLOW_SERVICE_INPUT "*" --queue-num "}
                    queue=${queue%%[!0-9]*} ;;
            esac ;;
        *[!0-9]* | ??????*) complain "CONNMGR_QUEUE is a number, or empty"; exit 64 ;;
    esac
}

# The daemon makes them in the same way; somebody who locks before it starts may have the tool.
make_sets() {
    has ipset || return
    ipset -exist create afero4 hash:net family inet timeout 0 maxelem 65536 &&
        ipset -exist create afero6 hash:net family inet6 timeout 0 maxelem 65536
}

# -- what is done ---------------------------------------------------------------------------------------------------

# restore TEXT: all of it, or nothing. What is said about it is in $said.
restore() {
    # shellcheck disable=SC2086  # words, or none
    said=$(printf '%s\n' "$1" | "$table-restore" --noflush $wait 2>&1) || return
}

# change: the whole change, for iptables-restore.
change() {
    echo '*filter'
    # A chain of ours that is named here is emptied. The whitelist keeps what is in it, unless that has just moved to the sets.
    for hook in $hooks; do
        echo ":$hook DROP [0:0]"
        chain_of "$hook" service
        echo ":$chain - [0:0]"
        chain_of "$hook" whitelist
        ! empties || echo ":$chain - [0:0]"
    done
    for hook in $hooks; do
        chain_of "$hook" service
        jump 1
        case $hook in
            INPUT) service_input ;;
            OUTPUT) service_output ;;
            FORWARD) service_forward ;;
        esac
        chain_of "$hook" whitelist
        jump 2
        match_sets
        if [ "$hook" = FORWARD ] && ! empties; then rename; fi
    done
    echo COMMIT
}

empties() { ! is_there "$chain" || { [ "$sets" = yes ] && ! matches_sets "$chain"; }; }

# jump POSITION: from $hook to $chain, once.
jump() {
    remove "-A $hook -j $chain"
    echo "-I $hook $1 -j $chain"
}

# match_sets: in front of the addresses that have rules of their own.
match_sets() {
    remove "-A $chain *--match-set afero[46] *"
    [ "$sets" = yes ] || return 0
    case $hook in
        INPUT) echo "-I $chain $answers -m set --match-set afero$family src -j ACCEPT" ;;
        OUTPUT) echo "-I $chain $asks -m set --match-set afero$family dst -j ACCEPT" ;;
        FORWARD)
            for link in $links; do
                echo "-I $chain -i $bridge -o $link $asks -m set --match-set afero$family dst -j ACCEPT"
            done
            echo "-I $chain -o $bridge $answers -m set --match-set afero$family src -j ACCEPT" ;;
    esac
}

# rename: what fwcfg.sh has admitted for the bridge while the links had other names.
rename() {
    named=$(admitted "-d \([^ ]*\) -i \([^ ]*\) -o \([^ ]*\) .*" '\2 \3' | sort -u)
    [ -n "$named" ] && [ "$named" != "$(for link in $links; do echo "$bridge $link"; done | sort)" ] || return 0
    admitted "-d \(.*\)" '-D AFERO_FORWARD_WHITELIST -d \1'
    admitted "-s \(.*\)" '-D AFERO_FORWARD_WHITELIST -s \1'
    admitted "-s \([^ ]*\) -o [^ ]* \(-m comment --comment .*\) -m conntrack .*" '\1 \2' |
        while read -r address comment; do
            rules "-o $bridge -s $address $comment $answers -j ACCEPT"
            for link in $links; do rules "-i $bridge -o $link -d $address $comment $asks -j ACCEPT"; done
        done
}
admitted() { printf '%s\n' "$all" | sed -n "s/^-A AFERO_FORWARD_WHITELIST $1/$2/p"; }

# remove PATTERN: each such rule that is there.
remove() {
    IFS=$nl
    for line in $have; do
        # shellcheck disable=SC2254  # a pattern
        case $line in $1) printf '%s\n' "-D ${line#-A }" ;; esac
    done
    IFS=" $tab$nl"
}

# lock: both families, and both variants where the lockdown is in both.
lock() {
    for each in 4 6; do
        in_family "$each"
        for table in $tables; do lock_table || return; done
    done
}

# lock_table: again where somebody else, perhaps another one of us, has changed the table since it was looked at.
lock_table() {
    locked=no
    for _ in 1 2 3; do
        survey
        text=$(change)
        if restore "$text"; then
            locked=yes
            survey
            jumps_twice || break
        fi
    done
    [ "$locked" = yes ]
}
jumps_twice() {
    for hook in $hooks; do
        for kind in service whitelist; do
            chain_of "$hook" "$kind"
            case $have in *"$nl-A $hook -j $chain$nl"*"$nl-A $hook -j $chain$nl"*) return 0 ;; esac
        done
    done
    return 1
}

# settle_for_less: looks for what this kernel or this iptables does not have, once something has failed.
settle_for_less() {
    # shellcheck disable=SC2086  # words
    "$table-restore" $wait </dev/null >/dev/null 2>&1 || wait=
    # Where nothing works, less would not, either.
    can 46 '-j RETURN' || return
    if [ "$sets" = yes ]; then
        make_sets || :
        can 4 '-m set --match-set afero4 dst' && can 6 '-m set --match-set afero6 dst' || sets=no
    fi
    if [ "$queue" != none ]; then
        can 46 "-p udp -j NFQUEUE --queue-num $queue --queue-bypass" || queue=none
    fi
    can 46 "-m connmark --mark $mark -j CONNMARK --set-xmark $mark" || probes=state
    # Without it the kernel looks itself, somewhat later.
    can 6 "-p icmpv6 $from_link" || from_link=
    lock
}

# can 4|6|46 RULE: a chain that nothing leads to takes it.
can() {
    able=yes
    for each in 4 6; do
        case $1 in *$each*) in_family "$each" ;; *) continue ;; esac
        for table in $tables; do
            restore "*filter$nl:AFERO_TRY - [0:0]$nl-A AFERO_TRY $2${nl}COMMIT" || able=no
            restore "*filter$nl:AFERO_TRY - [0:0]$nl-X AFERO_TRY${nl}COMMIT" || :
        done
    done
    [ "$able" = yes ]
}

# at_fault: the line, if iptables-restore says which.
at_fault() {
    case $said in *"line "[0-9]*) number=${said#*line } ;; *) return 0 ;; esac
    number=${number%%[!0-9]*}
    printf '%s\n' "$text" | sed -n "${number}p"
}

# end_connections: those of before the lockdown, unless the peer is on the whitelist. They are dead anyway, no packet of
# theirs gets through; but once conntrack has forgotten them, our side gets a reset at once.
end_connections() {
    ended=unknown
    has conntrack && { [ "$sets" = no ] || has ipset; } || return 0
    for each in 4 6; do
        in_family "$each"
        [ -n "$tables" ] || continue
        list=$(conntrack -L -f "ipv$family" 2>/dev/null) || return 0
        [ "$ended" != unknown ] || ended=0
        IFS=$nl
        for entry in $list; do
            IFS=" $tab$nl"
            # shellcheck disable=SC2086  # words
            end $entry
            # The more there are, the longer it takes, and somebody waits for the lockdown.
            [ "$ended" -lt 200 ] || return 0
        done
        IFS=" $tab$nl"
    done
}

# end PROTOCOL WORDS...: one, of TCP or UDP, as conntrack shows it.
end() {
    protocol=$1 from='' to='' sport='' dport=''
    case $protocol in tcp | udp) ;; *) return 0 ;; esac
    for word; do
        # The first of each: the other direction follows.
        case $word in
            src=*) from=${from:-${word#*=}} ;;
            dst=*) to=${to:-${word#*=}} ;;
            sport=*) sport=${sport:-${word#*=}} ;;
            dport=*) dport=${dport:-${word#*=}} ;;
        esac
    done
    case $from in 127.* | ::1 | "$to") return 0 ;; esac
    case $dport in 53 | 67 | 68 | 123 | 546 | 547) return 0 ;; esac
    if [ "$sets" = yes ] && { ipset test "afero$family" "$to" || ipset test "afero$family" "$from"; } 2>/dev/null; then
        return 0
    fi
    if conntrack -D -f "ipv$family" -p "$protocol" -s "$from" -d "$to" --sport "$sport" --dport "$dport" >/dev/null 2>&1; then
        ended=$((ended + 1))
    fi
}

# -- the lockdown ---------------------------------------------------------------------------------------------------

[ $# = 0 ] || { echo "usage: $self" >&2; exit 64; }
read_names
find_tables
[ -n "$tables6" ] || [ ! -e /proc/net/if_inet6 ] || no_tables6=yes
in_family 4
table=${tables%% *}
survey
settle
if ! lock; then
    why="IPv$family: $table-restore: $said: $(at_fault)"
    settle_for_less || fail "$why"
fi
[ -z "${no_tables6-}" ] || fail "IPv6: there is no ip6tables"
ended=0
[ "$first" = no ] || end_connections
# If that cannot be written, the next run ends what is dead already.
{ mkdir -p "$run" && : >"$run/locked"; } 2>/dev/null || :
# Nobody has to listen.
printf '%s\n' "sets: $sets" "queue: $queue" "probes: $probes" "ended: $ended" 2>/dev/null || :

user=${CONNMGR_CONFIG_DIR:-/etc/af-conn}/firewall.user
[ ! -e "$user" ] || sh "$user" || fail "$user failed with status $?"
