# shellcheck shell=sh
# New names: a name server in the cloud that has a separate address for each name (see dns_server.c). The cloud owns
# all of them. Source it after lib.sh.

# names_up: also makes it the server that the device uses.
names_up() {
    for lab_prefix in 198.19.0.0/16 2001:db8:101::/64; do ip -n cloud route add local "$lab_prefix" dev lo; done
    printf 'address add %s dev lo\n' 198.18.100.55/32 198.18.100.56/32 2001:db8:100::55/128 | ip -n cloud -batch -
    # Allow many connections, and forget ended ones quickly.
    on device sh -c 'echo "1024 65000" >/proc/sys/net/ipv4/ip_local_port_range'
    nsenter --net=/run/netns/cloud "$LABTOOL" names 198.18.100.55 198.18.100.56 >"$LAB/names.log" 2>&1 &
    poll 10 grep -q answering "$LAB/names.log"
    echo nameserver 198.18.100.55 >"$LAB/resolv.conf"
    printf '*.fresh.example\n' >"$LAB/etc/whitelist"
}

# lockdown [ARGS...]: starts connmgr in firewall-enabled mode.
lockdown() {
    FIREWALL=
    start_connmgr --resolver 198.18.100.55 "$@"
    poll 60 log_has "locked in .*DNS: "
    poll 30 settled
}

# use_variant legacy|nft: sets which iptables the daemon's scripts find. Changes nothing with LAB_FIREWALL=nft.
use_variant() {
    ! is_nft || return 0
    mkdir -p "$LAB/$1"
    for lab_tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "$(command -v "${lab_tool%%-*}-$1${lab_tool#ip*tables}")" "$LAB/$1/$lab_tool"
    done
    PATH="$LAB/$1:$PATH"
}

# no_sets: makes iptables refuse rules that match address sets, as on a kernel without xt_set.
no_sets() {
    mkdir -p "$LAB/no-sets"
    for lab_tool in iptables-restore ip6tables-restore; do
        cat >"$LAB/no-sets/$lab_tool" <<END
#!/bin/sh
case \${1-} in -V) exec $(command -v "$lab_tool") -V ;; esac
input=\$(cat)
case \$input in *--match-set*) echo "set: no such match" >&2; exit 2 ;; esac
printf '%s\n' "\$input" | exec $(command -v "$lab_tool") "\$@"
END
        chmod +x "$LAB/no-sets/$lab_tool"
    done
    PATH="$LAB/no-sets:$PATH"
}

# local_dns: starts dnsmasq on the device at 127.0.0.1, and unbound at 127.0.0.2, which asks in mixed case.
local_dns() {
    on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
        --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 >"$LAB/local-dnsmasq" 2>&1 &
    cat >"$LAB/unbound.conf" <<'END'
server:
    interface: 127.0.0.2
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    use-caps-for-id: yes
forward-zone:
    name: "."
    forward-addr: 198.18.100.55
END
    on device unbound -c "$LAB/unbound.conf" >"$LAB/unbound.log" 2>&1 &
    poll 10 on device "$LABTOOL" resolve 127.0.0.1 n65001.foreign.example
    poll 10 on device "$LABTOOL" resolve 127.0.0.2 n65002.foreign.example
}

# first HOST COUNT FROM [SERVER [PORT [FAMILY]]]: resolves COUNT new names on HOST and connects at once;
# writes the results to $LAB/first.
first() {
    on "$1" "$LABTOOL" first "${4:-198.18.100.55}" "${NAMES:-n#.fresh.example}" "$3" "$2" \
        "${5:-80}" "${6:-4}" >"$LAB/first" 2>&1
    cat "$LAB/first"
}
# none_lost HOST COUNT FROM...: like first; none may be lost.
none_lost() { first "$@" | grep -q ' 0 unresolved, 0 lost,'; }

resolve() { on "${HOST:-device}" "$LABTOOL" resolve 198.18.100.55 "$@"; }
reaches() { on "${HOST:-device}" socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=1"; }
# queue_is_empty: true if no reply waits for a verdict.
queue_is_empty() {
    on device cat /proc/net/netfilter/nfnetlink_queue
    # shellcheck disable=SC2016  # awk's
    on device awk '$3 != 0 { exit 1 }' /proc/net/netfilter/nfnetlink_queue
}
open_addresses() { open_in afero4; open_in afero6; }
is_open() { open_addresses | grep -q "^$1[ /]"; }
