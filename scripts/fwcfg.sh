#!/bin/sh
# fwcfg.sh: admits an address to the whitelist chains that init_firewall.sh has made, by rules of its own; or takes it out.
# An address that is there already is not added again, and one that is not there is not missed.
#
# Where the kernel has address sets the daemon fills those instead. What is added here is kept by init_firewall.sh.
# Status 0: done. 64: bad argument. 78: bad netif_names. 1: stderr says what did not work.
set -euf
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
# shellcheck source=firewall_functions
. "$here/firewall_functions"

usage() {
    cat <<END
usage - $self add|del|add_forwarding|del_forwarding <ip_addr> <comment> [check_fw]
      -- $self sync <comment> [<ip_addr>...]
      -- $self restart
<ip_addr> : IP address, or a prefix (192.0.2.0/24, 2001:db8::/32)
<comment> : comment or dns name
<check_fw>: 0 or 1, 1 indicates to check existing rule for <ip_addr> when add
            (this one always does)
sync      : of the addresses with this comment, a word, those alone are admitted, for both
END
}
misused() {
    complain "$*"
    usage >&2
    exit 64
}

# -- arguments ------------------------------------------------------------------------------------------------------

# is_number WORD MAX: decimal, without leading zeros.
is_number() {
    case $1 in '' | *[!0-9]* | 0?* | ????*) return 1 ;; esac
    [ "$1" -le "$2" ]
}

# is_ipv4 ADDR: four numbers. is_ipv6 ADDR: eight groups, or fewer around one "::".
is_ipv4() {
    case $1 in *[!0-9.]* | *.) return 1 ;; esac
    IFS=.
    # shellcheck disable=SC2086  # words
    set -- $1
    IFS=" $tab$nl"
    [ $# = 4 ] || return
    for number; do is_number "$number" 255 || return; done
}
is_ipv6() {
    case $1 in *[!0-9A-Fa-f:]* | *:::* | *::*::* | *[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]*) return 1 ;; esac
    case $1 in
        *::*) most=7 least=0 ;;
        :* | *:) return 1 ;;
        *:*) most=8 least=8 ;;
        *) return 1 ;;
    esac
    groups=${1#::} groups=${groups%::}
    case $groups in :* | *:) return 1 ;; esac
    count=0
    IFS=:
    for group in $groups; do [ -z "$group" ] || count=$((count + 1)); done
    IFS=" $tab$nl"
    [ "$count" -ge "$least" ] && [ "$count" -le "$most" ]
}

# read_address ADDR: sets $family. A prefix that short is nobody's service.
read_address() {
    address=${1%%/*} length=
    case $1 in */*) length=${1#*/} ;; esac
    if is_ipv4 "$address"; then
        family=4 shortest=8 longest=32
    elif is_ipv6 "$address"; then
        family=6 shortest=16 longest=128
    else
        misused "that is no IP address: '$1'"
    fi
    case $1 in */*) ;; *) length=$longest ;; esac
    if ! is_number "$length" "$longest" || [ "$length" -lt "$shortest" ]; then
        misused "a prefix is /$shortest to /$longest: '$1'"
    fi
    address=$address/$length
}

# Up to what the kernel keeps; and nothing that means something to whoever reads the rules and is a shell.
read_comment() {
    case $1 in
        '' | -* | *[!A-Za-z0-9\ ._:/@*+=,\(\)-]*) misused "a comment consists of letters, digits, spaces and ._:/@*+=,()-" ;;
    esac
    [ "${#1}" -le 255 ] || misused "a comment has at most 255 characters"
    comment=$1
}

# -- rules ----------------------------------------------------------------------------------------------------------

# each_rule COMMAND: with the chain and the words of each rule that admits the address. What comes back is admitted first.
each_rule() {
    if [ "$whom" = device ]; then
        "$1" AFERO_ALLOW_WHITELIST_INPUT "-s $address" "$answers"
        "$1" AFERO_ALLOW_WHITELIST_OUTPUT "-d $address" "$asks"
    else
        "$1" AFERO_FORWARD_WHITELIST "-s $address -o $bridge" "$answers"
        for link in $links; do "$1" AFERO_FORWARD_WHITELIST "-d $address -i $bridge -o $link" "$asks"; done
    fi
}

# rule VERB CHAIN WORDS WORDS
# shellcheck disable=SC2086  # words
rule() { "$table" $wait "$1" "$2" $3 -m comment --comment "$comment" $4 -j ACCEPT; }

add() {
    rule -C "$@" 2>/dev/null || rule -A "$@" || fail "$table cannot add to $1"
}
remove() {
    # Each copy, since others may have made some.
    while rule -C "$@" 2>/dev/null; do
        rule -D "$@" || fail "$table cannot delete from $1"
    done
}

# is_locked: so that a chain that is missing gets a better message than iptables has.
# shellcheck disable=SC2086  # words, or none
is_locked() {
    for table in $tables; do
        if "$table" $wait -S AFERO_FORWARD_WHITELIST 1 >/dev/null 2>&1; then continue; fi
        wait=
        "$table" -S AFERO_FORWARD_WHITELIST 1 >/dev/null 2>&1 || return
    done
}

change() {
    read_address "$2"
    read_comment "$3"
    case ${4-0} in 0 | 1) ;; *) misused "check_fw is 0 or 1" ;; esac
    read_names
    find_tables
    case $family in 4) tables=$tables4 ;; 6) tables=$tables6 ;; esac
    [ -n "$tables" ] || fail "IPv6: there is no ip6tables, or the kernel has no IPv6"
    [ "$1" = remove ] || is_locked || fail "IPv$family is not locked: run init_firewall.sh first"
    for table in $tables; do
        each_rule "$1"
    done
}

# sync COMMENT ADDR...: in one step for each family, and nothing at all where nothing differs.
sync() {
    read_comment "$1"
    case $comment in *' '*) misused "for sync the comment is one word" ;; esac
    shift
    for word; do read_address "$word"; done
    read_names
    find_tables
    for family in 4 6; do
        case $family in 4) tables=$tables4 ;; 6) tables=$tables6 ;; esac
        [ -n "$tables" ] || continue
        is_locked || fail "IPv$family is not locked: run init_firewall.sh first"
        for table in $tables; do sync_table "$@"; done
    done
}

# sync_table ADDR...: again where somebody else has changed the table since it was looked at.
sync_table() {
    for _ in 1 2 3; do
        all=$("$table-save" -t filter 2>/dev/null) || fail "$table-save failed"
        differences=$({ wanted "$@" && printf '%s\n' "$all"; } | differ) || fail "awk failed"
        [ -n "$differences" ] || return 0
        # shellcheck disable=SC2086  # words, or none
        if said=$(printf '*filter\n%s\nCOMMIT\n' "$differences" | "$table-restore" --noflush $wait 2>&1); then return; fi
    done
    fail "$table-restore: $said"
}

# wanted ADDR...: the rules, as iptables-save has them.
wanted() {
    of_family=$family
    for word; do
        case $of_family$word in 4*:*) continue ;; 6*:*) ;; 6*) continue ;; esac
        read_address "$word"
        for whom in device bridge; do each_rule want; done
    done
}
want() { printf 'want -A %s %s -m comment --comment %s %s -j ACCEPT\n' "$1" "$2" "$comment" "$3"; }

# differ: what iptables-restore has to do. Each copy of a rule that is not wanted goes, and each but one of the others.
differ() {
    awk -v comment="$comment" '
        /^want / { wants[substr($0, 6)]; next }
        /^-A AFERO_(ALLOW_WHITELIST_INPUT|ALLOW_WHITELIST_OUTPUT|FORWARD_WHITELIST) / {
            gsub(/"/, "") # which older ones put around a comment
            if (!index($0, " --comment " comment " ")) next
            if ($0 in wants && !($0 in has)) has[$0]; else print "-D " substr($0, 4)
        }
        END { for (rule in wants) if (!(rule in has)) print rule }'
}

case ${1-} in
    add | del | add_forwarding | del_forwarding)
        case $# in 3 | 4) ;; *) misused "$1 takes an address, a comment, and perhaps 0 or 1" ;; esac ;;
    sync) [ $# -gt 1 ] || misused "sync takes a comment" ;;
    restart) [ $# = 1 ] || misused "restart takes no argument" ;;
    --help | -h | help) usage; exit 0 ;;
    *) misused "what is to be done?" ;;
esac
whom=device
case $1 in *_forwarding) whom=forwarding ;; esac
case $1 in
    add*) change add "$2" "$3" "${4-0}" ;;
    del*) change remove "$2" "$3" "${4-0}" ;;
    sync) shift; sync "$@" ;;
    restart) exec "$here/init_firewall.sh" ;;
esac
