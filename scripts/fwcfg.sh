#!/bin/sh
# fwcfg.sh: adds an address to the lockdown that init_firewall.sh has made, as a rule, or deletes it. Adding
# an address twice adds it once; deleting an absent one succeeds. It changes the lockdown that is in force,
# nft or iptables, or both if both are.
#
# unlock removes the lockdown: our rules, chains, sets and tables, of every backend and variant, and what a
# failed lockdown has closed. Policies return to their values before the lockdown, or to ACCEPT if those are
# not known. Nothing else is touched. A running daemon, or the next start, locks again: stop the daemon first.
#
# If the kernel has address sets, the daemon fills those and does not call this script. init_firewall.sh keeps
# what is added here. Status 0: done. 64: bad argument. 78: bad netif_names. 74: unlocked, but that could not be said on
# stdout. 1: stderr says what did not work.
set -euf
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
# shellcheck source=firewall_functions
. "$here/firewall_functions"
# shellcheck source=firewall_nft
. "$here/firewall_nft"
# shellcheck source=firewall_iptables
. "$here/firewall_iptables"

usage() {
    cat <<END
usage - $self add|del|add_forwarding|del_forwarding <ip_addr> [<comment>] [check_fw]
      -- $self sync <comment> [<ip_addr>...]
      -- $self restart
      -- $self unlock
<ip_addr> : IP address, or a prefix (192.0.2.0/24, 2001:db8::/32)
<comment> : comment or dns name
<check_fw>: 0 or 1, 1 indicates to check existing rule for <ip_addr> when add
            (this one always does)
sync      : of the addresses with this comment, a word, those alone are admitted, for both
restart   : makes the lockdown anew
unlock    : takes the lockdown away
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

# is_ipv4 ADDR: true for four numbers. is_ipv6 ADDR: true for eight groups, or fewer with one "::".
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

# read_address ADDR: sets $family and $address. Refuses very short prefixes: no service has one.
read_address() {
    address=${1%%/*} length=
    case $1 in */*) length=${1#*/} ;; esac
    if is_ipv4 "$address"; then
        family=4 shortest=8 longest=32
    elif is_ipv6 "$address"; then
        family=6 shortest=16 longest=128
    else
        case $address in
            *[!A-Za-z0-9.*_-]* | '' | [!A-Za-z*]* | *[!A-Za-z0-9.*_-]*) misused "that is no IP address: '$1'" ;;
            *) misused "that is no IP address: '$1'. For a name: write it into ${CONNMGR_CONFIG_DIR:-/etc/af-conn}/whitelist, and run 'connmgr reload'" ;;
        esac
    fi
    case $1 in */*) ;; *) length=$longest ;; esac
    if ! is_number "$length" "$longest" || [ "$length" -lt "$shortest" ]; then
        misused "a prefix is /$shortest to /$longest: '$1'"
    fi
    address=$address/$length
}

# At most as long as the kernel stores, without characters that are special to a shell that reads the rules.
read_comment() {
    case $1 in
        '' | -* | *[!A-Za-z0-9\ ._:/@*+=,\(\)-]*) misused "a comment consists of letters, digits, spaces and ._:/@*+=,()-" ;;
    esac
    [ "${#1}" -le 255 ] || misused "a comment has at most 255 characters"
    comment=$1
}

# -- what is done ---------------------------------------------------------------------------------------------------

# change add|remove ADDR COMMENT CHECK
change() {
    read_address "$2"
    read_comment "$3"
    case ${4-0} in 0 | 1) ;; *) misused "check_fw is 0 or 1" ;; esac
    read_names
    changed=no
    case $family in 4) ip=ip ;; 6) ip=ip6 ;; esac
    if nft_is_there; then
        changed=yes
        "nft_$1"
    fi
    if iptables_of_family; then
        if has_chains; then
            changed=yes
            "iptables_$1"
        elif [ "$1" = remove ]; then
            changed=yes
            "iptables_$1" # one of the variants may have it
        fi
    fi
    [ "$changed" = yes ] || [ "$1" = remove ] || not_locked
}
not_locked() {
    [ -e /proc/net/if_inet6 ] || [ "$family" = 4 ] || fail "the kernel has no IPv6"
    fail "IPv$family is not locked: run init_firewall.sh first"
}

# sync COMMENT ADDR...: makes the rules with this comment match the addresses, in one step per family. Changes
# nothing if they do.
sync() {
    read_comment "$1"
    case $comment in *' '*) misused "for sync the comment is one word" ;; esac
    shift
    for word; do read_address "$word"; done
    read_names
    changed=no
    if nft_is_there; then
        changed=yes
        nft_sync "$@"
    fi
    for family in 4 6; do
        of=$family
        iptables_of_family || continue
        if ! has_chains; then
            [ "$changed" = yes ] || not_locked
            continue
        fi
        iptables_sync "$@"
        family=$of
        [ "$changed" = yes ] || changed=some
    done
    [ "$changed" != no ] || not_locked
}

# restart: locks, unless a daemon runs with the option not to.
restart() {
    if daemon=$(running_daemon) && option=$(opening_option); then
        fail "connmgr (pid $daemon) runs without a firewall ($option): nothing is locked, nothing has changed"
    fi
    exec "$here/init_firewall.sh"
}
# opening_option: prints the option by which $daemon locks nothing; false if there is none. It has the forms that
# the daemon understands: -d, -vd, -d=true, -d:True, -d true, and -d false; the same of the long name.
opening_option() {
    option='' previous=''
    for word in $(tr '\000' '\n' <"/proc/$daemon/cmdline"); do
        case $word in
            -d* | -v*d* | --disable-firewall | --disable-firewall[=:]*)
                case $word in *[Ff][Aa][Ll][Ss][Ee]) option='' ;; *) option=$word ;; esac ;;
            [Ff][Aa][Ll][Ss][Ee]) case $previous in -d | -v*d | --disable-firewall) option='' ;; esac ;;
        esac
        previous=$word
    done
    [ -n "$option" ] && echo "$option"
}
# running_daemon: prints its pid. The file stays after a daemon has ended, so check that the process is ours.
running_daemon() {
    read -r pid 2>/dev/null <"$run/connmgr.pid" || return
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    read -r name 2>/dev/null <"/proc/$pid/comm" || return
    [ "$name" = connmgr ] && echo "$pid"
}

unlock() {
    undone='' failed=no
    nft_unlock
    iptables_unlock
    rm -f "$run/locked" "$run/policies" "$run/services" "$run/closed" "$run/audit"
    if [ "$failed" = yes ]; then
        fail "not completely unlocked${undone:+; gone: $undone}"
    elif [ -n "$undone" ]; then
        said="unlocked: nothing of connmgr's lockdown is left (gone: $undone)"
    else
        said="unlocked already: there is no lockdown"
    fi
    case $undone in
        *tables*)
            user=${CONNMGR_CONFIG_DIR:-/etc/af-conn}/firewall.user
            [ ! -e "$user" ] || said="$said. Rules that $user has added to chains of iptables stay: they are not ours" ;;
    esac
    # The device is unlocked even if stdout cannot be written: 74 is EX_IOERR.
    { echo "$self: $said"; } 2>/dev/null || { complain "$said; cannot write to standard output"; exit 74; }
    if daemon=$(running_daemon) && ! opening_option >/dev/null; then
        complain "connmgr (pid $daemon) runs, and may lock again: stop it first, or start it with -d"
    fi
}

verb=$(printf '%s' "${1-}" | tr '[:upper:]' '[:lower:]')
case $verb in
    add | del | add_forwarding | del_forwarding)
        case $# in 2 | 3 | 4) ;; *) misused "$verb takes an address, perhaps a comment, and perhaps 0 or 1" ;; esac ;;
    sync) [ $# -gt 1 ] || misused "sync takes a comment" ;;
    restart | unlock) [ $# = 1 ] || misused "$verb takes no argument" ;;
    --help | -h | help) usage; exit 0 ;;
    *) misused "what is to be done?" ;;
esac
whom=device
case $verb in *_forwarding) whom=forwarding ;; esac
case $verb in
    # The original also accepts an address without a comment, or with an empty one.
    add*) change add "$2" "${3:-added by hand}" "${4:-0}" ;;
    del*) change remove "$2" "${3:-added by hand}" "${4:-0}" ;;
    sync) shift; sync "$@" ;;
    restart) restart ;;
    unlock) unlock ;;
esac
