#!/bin/sh
# The device's name server runs in a container: its questions and their answers are forwarded, mostly translated.
# firewall.user admits them. What it resolves is opened for the device; while replies are held, no first connection is
# lost. A bridge with masquerading like Docker's, random ports, a veth without translation; IPv4 and IPv6, UDP and TCP,
# aliases; unbound and dnsmasq.
# takes 70 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
# Another family, and a server that the device does not use.
ip -n cloud address add 198.18.100.58/32 dev lo
for server in 2001:db8:100::55 198.18.100.58; do
    nsenter --net=/run/netns/cloud "$LABTOOL" names "$server" 198.18.100.8 >"$LAB/names.$server" 2>&1 &
    poll 10 grep -q answering "$LAB/names.$server"
done
on device sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

#   container 198.18.60.2 2001:db8:60::2 ──veth── dk0 .1 ::1      device      veth1 198.18.61.1 ──── veth, in plain: 198.18.61.2
new_container() { ip netns add "$1"; on "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'; }
on device sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
new_container container
new_container plain
ip -n device -batch - <<'END'
link add dk0 type bridge
link add dkport type veth peer name eth0 netns container
link set dkport master dk0 up
link set dk0 up
address add 198.18.60.1/24 dev dk0
address add 2001:db8:60::1/64 dev dk0
link add veth1 type veth peer name eth0 netns plain
link set veth1 up
address add 198.18.61.1/24 dev veth1
END
for name in container:60 plain:61; do
    ip -n "${name%:*}" -batch - <<END
link set lo up
link set eth0 up
address add 198.18.${name#*:}.2/24 dev eth0
address add 2001:db8:${name#*:}::2/64 dev eth0
route add default via 198.18.${name#*:}.1
route add default via 2001:db8:${name#*:}::1
END
done
# The way back to the container whose addresses are not translated.
ip -n cloud route add 198.18.61.0/24 via 198.18.11.1
ip -n r-eth route add 198.18.61.0/24 via 198.18.1.2

# translate ARGS...: translates the questions that leave the device, in both families.
translate() {
    for tables in iptables ip6tables; do
        on device "$tables" -w -t nat -F
        case $tables in iptables) from=198.18.60.0/24 ;; ip6tables) from=2001:db8:60::/64 ;; esac
        on device "$tables" -w -t nat -A POSTROUTING -s "$from" ! -o dk0 -j MASQUERADE "$@"
    done
    on device conntrack -F >"$LAB/last" 2>&1 || :
}
# unbound_in CONTAINER UPSTREAM
unbound_in() {
    cat >"$LAB/unbound.$1.conf" <<END
server:
    interface: 0.0.0.0
    interface: ::0
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
forward-zone:
    name: "."
    forward-addr: $2
END
    nsenter --net="/run/netns/$1" unbound -c "$LAB/unbound.$1.conf" >"$LAB/unbound.$1.log" 2>&1 &
    SERVER_PID=$!
    answers_in "$1"
}
dnsmasq_in() {
    nsenter --net="/run/netns/$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
        --no-hosts --cache-size=0 --server="$2" >"$LAB/dnsmasq.$1.log" 2>&1 &
    SERVER_PID=$!
    answers_in "$1"
}
answers_in() { poll 20 on "$1" "$LABTOOL" resolve 127.0.0.1 n65001.foreign.example; }
server_ends() {
    kill "$SERVER_PID"
    wait "$SERVER_PID" 2>"$LAB/last" || :
}

# firewall.user with the rules for containers, as docs/lockdown.md shows them.
if is_nft; then
    cat >"$LAB/etc/firewall.user" <<'END'
nft add rule inet connmgr user_forward iifname '{ dk0, veth1 }' oifname eth0 meta l4proto '{ tcp, udp }' th dport 53 accept
nft add rule inet connmgr user_forward iifname eth0 oifname '{ dk0, veth1 }' ct state established ct direction reply accept
nft add rule inet connmgr user_output oifname '{ dk0, veth1 }' meta l4proto '{ tcp, udp, ipv6-icmp }' accept
nft add rule inet connmgr user_input iifname '{ dk0, veth1 }' ct state established ct direction reply accept
nft add rule inet connmgr user_input iifname '{ dk0, veth1 }' icmpv6 type '{ 135, 136 }' accept
END
else
    cat >"$LAB/etc/firewall.user" <<'END'
for net in dk0 veth1; do
    for tables in iptables ip6tables; do
        $tables -C OUTPUT -o $net -j ACCEPT 2>/dev/null && continue
        for protocol in udp tcp; do $tables -A FORWARD -i $net -o eth0 -p $protocol --dport 53 -j ACCEPT; done
        $tables -A FORWARD -i eth0 -o $net -m conntrack --ctstate ESTABLISHED -j ACCEPT
        $tables -A OUTPUT -o $net -j ACCEPT
        $tables -A INPUT -i $net -m conntrack --ctstate ESTABLISHED -j ACCEPT
    done
    for type in 135 136; do ip6tables -C INPUT -i $net -p icmpv6 --icmpv6-type $type -j ACCEPT 2>/dev/null ||
        ip6tables -A INPUT -i $net -p icmpv6 --icmpv6-type $type -j ACCEPT; done
done
END
fi

n=0
resolves() { on device "$LABTOOL" resolve "$SERVER" "$1" >"$LAB/address"; }
opens() { resolves "$1" && reaches "$(cat "$LAB/address")"; }
# firsts DESC FORM COUNT
firsts() {
    n=$((n + 100))
    if [ "$mode" = hold ]; then
        NAMES=$2
        check "$mode: $1: no first connection is lost" none_lost device "$3" "$n" "$SERVER"
        unset NAMES
    else
        wait_for 5 "$mode: $1: an address is opened" opens "${2%#*}$n${2#*#}"
    fi
}
# judged DESC SERVER
judged() {
    SERVER=$2
    firsts "$1" 'n#.fresh.example' 40
    firsts "$1, names that need TCP" 't#.fresh.example' 10
    # dnsmasq does not ask for the target of an alias.
    case $1 in *unbound) firsts "$1, an alias" 'c#.fresh.example' 20 ;; esac
    n=$((n + 100))
    check "$mode: $1: another name is resolved" resolves "n$n.other.example"
    check "$mode: $1: and stays shut" not reaches "$(cat "$LAB/address")"
}
modes='hold sniff'
can_hold || { modes=sniff; skip "with nft: $no_queue"; }
for mode in $modes; do
    translate
    # A name server of the device may ask any server, and then all answers to the device count. With sniff all answers
    # to a container count, too, because the daemon cannot tell them apart.
    if [ "$mode" = hold ]; then
        nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
            --no-hosts --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 >"$LAB/local" 2>&1 &
        SERVER_PID=$!
        answers_in device
        local_pid=$SERVER_PID
    fi
    lockdown --dns "$mode" --resolver 2001:db8:100::55
    check "$mode: firewall.user is read" not log_has 'firewall.user.*fail'
    unbound_in container 198.18.100.55
    judged "masqueraded, unbound" 198.18.60.2
    translate --random-fully
    judged "random ports, unbound" 198.18.60.2
    server_ends
    dnsmasq_in container 198.18.100.55
    judged "random ports, dnsmasq" 198.18.60.2
    server_ends
    unbound_in container 2001:db8:100::55
    judged "IPv6, random ports, unbound" 2001:db8:60::2
    server_ends
    unbound_in plain 198.18.100.55
    judged "not translated, unbound" 198.18.61.2
    server_ends
    # Its answers to the container open nothing.
    unbound_in container 198.18.100.58
    SERVER=198.18.60.2 n=$((n + 100))
    check "$mode: a server that is not listed: a name is resolved" resolves "n$n.fresh.example"
    check "$mode: and stays shut" not reaches "$(cat "$LAB/address")"
    server_ends
    stop_connmgr
    [ "$mode" = sniff ] || { SERVER_PID=$local_pid && server_ends; }
done
