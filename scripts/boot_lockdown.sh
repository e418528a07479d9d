#!/bin/sh
# boot_lockdown.sh [OPTIONS]: init runs it before the network comes up, with the daemon's options. It runs
# init_firewall.sh. If that is missing or fails, it closes the device itself: no service is better than an
# open device that claims to be locked. With -d or --disable-firewall among the options it does nothing.
#
# To close the device it needs no other file. With nft, a table connmgr_closed drops everything except
# loopback and DHCP. Without nft, the policies of every installed variant of iptables become DROP, an empty
# chain CONNMGR_CLOSED marks the table, and $run_dir/policies records the old ones. The next successful init_firewall.sh, and 'fwcfg.sh unlock', undo
# both. An earlier lockdown that is still in force stays as it is.
#
# With --audit among the options nothing is dropped: init_firewall.sh is told so, and if it fails, nothing is closed.
#
# With --shut among the options it only closes, without init_firewall.sh: the daemon calls it in this way when init_firewall.sh has failed.
#
# Status 0: init_firewall.sh has locked the device. 1: closed, or still locked as before. 71: closed only in
# part; stderr says what is open.
set -uf

script_dir=/usr/lib/af-conn config_dir=/etc/af-conn run_dir=/var/run/connmgr firewall=auto mark_bit='' shut='' audit=no disabled=no previous=''
for word; do
    case $previous in
        --script-dir) script_dir=$word ;;
        --config-dir) config_dir=$word ;;
        --run-dir) run_dir=$word ;;
        --firewall) firewall=$word ;;
        --mark-bit) mark_bit=$word ;;
        -d | -v*d | --disable-firewall) case $word in [Ff][Aa][Ll][Ss][Ee]) disabled=no ;; esac ;;
        --audit) case $word in [Ff][Aa][Ll][Ss][Ee]) audit=no ;; esac ;;
    esac
    case $word in
        --shut) shut=yes ;;
        # The daemon takes a value behind "=" or ":", and -vd for -v -d.
        --audit | --audit[=:]*) case $word in *[Ff][Aa][Ll][Ss][Ee]) audit=no ;; *) audit=yes ;; esac ;;
        -d* | -v*d* | --disable-firewall | --disable-firewall[=:]*)
            case $word in *[Ff][Aa][Ll][Ss][Ee]) disabled=no ;; *) disabled=yes ;; esac ;;
        --script-dir[=:]*) script_dir=${word#--script-dir?} ;;
        --config-dir[=:]*) config_dir=${word#--config-dir?} ;;
        --run-dir[=:]*) run_dir=${word#--run-dir?} ;;
        --firewall[=:]*) firewall=${word#--firewall?} ;;
        --mark-bit[=:]*) mark_bit=${word#--mark-bit?} ;;
    esac
    previous=$word
done
nl='
'
[ "$disabled" = no ] || exit 0
export CONNMGR_CONFIG_DIR="$config_dir" CONNMGR_RUN_DIR="$run_dir"
# The daemon refuses any other value and exits. Lock the device all the same.
case $firewall in auto | nft | iptables) ;; *) firewall=auto ;; esac
export CONNMGR_FIREWALL="$firewall"
case $mark_bit in [0-9] | [12][0-9] | 30) export CONNMGR_MARK_BIT="$mark_bit" ;; esac
export CONNMGR_AUDIT="$audit"
lock_status=1
mkdir -p "$run_dir" || :

say() { echo "boot_lockdown.sh: $*" >&2; }
has() { command -v "$1" >/dev/null; }
to_open="'$script_dir/init_firewall.sh' locks once it works, '$script_dir/fwcfg.sh unlock' opens"

# lock: runs init_firewall.sh and sets $lock_status. Ends it after 60 s, so that a script that hangs does not stop the
# boot. If files can be written, its output goes through files: a process that it leaves running would keep a pipe open.
lock() {
    out=$run_dir/boot.out err=$run_dir/boot.err
    if { true >"$out" && true >"$err"; } 2>/dev/null; then
        "$script_dir/init_firewall.sh" >"$out" 2>"$err" &
    else
        out=/dev/null err=/dev/null
        "$script_dir/init_firewall.sh" &
    fi
    script_pid=$!
    (
        # Also kill its sleep: systemd would report a process that is left over.
        trap 'kill $!; exit' TERM
        sleep 60 &
        wait $! && kill -KILL "$script_pid"
    ) </dev/null >/dev/null 2>&1 &
    timer_pid=$!
    wait "$script_pid" && lock_status=0 || lock_status=$?
    kill -TERM "$timer_pid" 2>/dev/null || :
    wait "$timer_pid" 2>/dev/null || :
    while IFS= read -r line; do printf '%s\n' "$line"; done <"$out"
    while IFS= read -r line; do printf '%s\n' "$line"; done <"$err" >&2
    rm -f "$run_dir/boot.out" "$run_dir/boot.err" 2>/dev/null || :
    return "$lock_status"
}

if [ -z "$shut" ]; then
    # 75: another program holds the lock of iptables.
    for _ in 1 2 3; do
        if lock; then exit 0; fi
        [ "$lock_status" = 75 ] || break
    done
    say "$script_dir/init_firewall.sh failed"
    [ "$audit" = no ] || { say "--audit is on: nothing is closed"; exit 1; }
fi

# chain_of HOOK: sets $chain to the chain to which the lockdown's first rule leads.
chain_of() { case $1 in FORWARD) chain=AFERO_FORWARD_ACCEPT_SERVICE ;; *) chain=AFERO_ALLOW_SERVICE_$1 ;; esac; }

# nft_is_locked: true if the lockdown's rules come first and drop what no rule admits (in an audit they do not). Adding
# the table again clears its flag dormant, with which it drops nothing.
nft_is_locked() {
    has nft || return
    for hook in INPUT OUTPUT FORWARD; do
        chain_of "$hook"
        case $hook in INPUT) nft_hook=input ;; OUTPUT) nft_hook=output ;; FORWARD) nft_hook=forward ;; esac
        listed=$(nft "add table inet connmgr; list chain inet connmgr $nft_hook" 2>/dev/null) || return
        # shellcheck disable=SC2086  # words: the indentation does not matter
        set -- $listed
        case "$* " in *" policy drop; jump $chain "*) ;; *) return 1 ;; esac
    done
}
if nft_is_locked; then
    say "the earlier lockdown is still in force, locked; $to_open"
    exit 1
fi

# shut_by_nft: DHCPv6 needs neighbour and router discovery, so they pass. The chains come before all others,
# even those of the lockdown.
shut_by_nft() {
    nft -f - <<'END'
add table inet connmgr_closed
delete table inet connmgr_closed
table inet connmgr_closed {
    chain input {
        type filter hook input priority -20; policy drop;
        iifname "lo" accept
        meta nfproto ipv4 udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp dport 546 accept
        ip6 hoplimit 255 icmpv6 type { 134, 135, 136 } accept
    }
    chain output {
        type filter hook output priority -20; policy drop;
        oifname "lo" accept
        meta nfproto ipv4 udp sport 68 udp dport 67 accept
        meta nfproto ipv6 udp sport 546 udp dport 547 accept
        icmpv6 type { 133, 135, 136, 143 } accept
    }
    chain forward { type filter hook forward priority -170; policy drop; }
}
END
}

# has_chains PROGRAM: true if the program's table has our chains. Sets $rules to those of the hooks. Another program may hold the
# lock of iptables, for which iptables-save does not wait.
has_chains() {
    rules=$(
        if has "$1-save"; then
            "$1-save" -t filter
        else
            "$1" -w 5 -S || "$1" -S
        fi 2>/dev/null | grep -E '^(:AFERO|-N AFERO|-A (INPUT|OUTPUT|FORWARD) )'
    )
    case $rules in *" AFERO_FORWARD_WHITELIST"* | *:AFERO_FORWARD_WHITELIST*) ;; *) return 1 ;; esac
}

# is_locked PROGRAM: true if, with policies of DROP, the lockdown in the program's table is in force: no other rule comes first.
is_locked() {
    has_chains "$1" || return
    for hook in INPUT OUTPUT FORWARD; do
        chain_of "$hook"
        case "${rules#*"$nl-A $hook "}$nl" in "-j $chain$nl"*) ;; *) return 1 ;; esac
    done
}

# note PROGRAM: records its policies, as in "nft4 INPUT ACCEPT", for the scripts that restore them.
note() {
    case $("$1" -V 2>/dev/null) in *nf_tables*) key=nft ;; *) key=legacy ;; esac
    case $1 in ip6*) key=${key}6 ;; *) key=${key}4 ;; esac
    ! grep -qs "^$key " "$run_dir/policies" || return 0
    ! has_chains "$1" || return 0
    "$1" -S 2>/dev/null | while read -r verb hook policy; do
        case $verb.$hook in -P.INPUT | -P.OUTPUT | -P.FORWARD) echo "$key $hook $policy" ;; esac
    done >>"$run_dir/policies"
}

# in_force iptables|ip6tables: true if the lockdown is in force in one of its variants.
in_force() {
    for tables in "$1" "$1-nft" "$1-legacy"; do
        if has "$tables" && is_locked "$tables"; then return 0; fi
    done
    return 1
}

# Unless iptables has locked both families, close by nft: the policies of a family that is not locked come after the
# rules of other programs.
if has nft && ! { in_force iptables && { [ ! -e /proc/net/if_inet6 ] || in_force ip6tables; }; }; then
    if said=$(shut_by_nft 2>&1); then
        : >"$run_dir/closed" 2>/dev/null || :
        say "shut: the table inet connmgr_closed drops all but loopback and DHCP; $to_open"
        exit 1
    fi
    say "nft: $said"
fi

status=1
for name in iptables iptables-legacy iptables-nft ip6tables ip6tables-legacy ip6tables-nft; do
    tables=$name
    case $tables in ip6*) [ -e /proc/net/if_inet6 ] || continue ;; esac
    if ! has "$tables"; then
        case $tables in
            *-*) continue ;;
            iptables) family=IPv4 ;;
            ip6tables) family=IPv6 ;;
        esac
        if has nft; then why="nft does not work"; else why="there is no nft"; fi
        say "$why and there is no $tables: $family is open"
        status=71
        continue
    fi
    # If one variant is still locked, close only that one, and leave the other open: a packet has to pass both.
    if in_force "${name%%-*}"; then
        is_locked "$name" || continue
    fi
    tables=$name
    note "$tables" || :
    # An empty chain says that we closed this table, if the record is lost or cannot be written.
    has_chains "$tables" || "$tables" -w 5 -N CONNMGR_CLOSED 2>/dev/null || "$tables" -N CONNMGR_CLOSED 2>/dev/null || :
    for hook in INPUT OUTPUT FORWARD; do
        "$tables" -w 5 -P "$hook" DROP 2>/dev/null || "$tables" -P "$hook" DROP || case $tables in
            *-*) ;; # the plain name already stands for the platform's variant
            *) say "$tables -P $hook DROP failed"; status=71 ;;
        esac
    done
done
[ "$status" = 71 ] || say "the policies of iptables are DROP, and an earlier lockdown is still in force where there was one; $to_open"
exit "$status"
