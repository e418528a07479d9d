#!/bin/sh
# br_netfilter shows bridged frames to the firewall. Frames that are only bridged pass, whatever they contain.
# Frames that the device routes are judged, also those between two hosts of the bridge.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 ──veth── other 198.18.50.3
#   c1 198.18.60.2 ──veth── docker0 198.18.60.1 ──veth── c2 198.18.60.3     a bridge that is not in netif_names
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
ip netns add other
on other sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
ip -n device link add ap2 index 63 type veth peer name lan index 64 netns other
ip -n device link set ap2 master br-apnet up
ip -n other -batch - <<'END'
link set lo up
link set lan up
address add 198.18.50.3/24 dev lan
address add 2001:db8:50::3/64 dev lan
END
on other "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/other.log" 2>&1 &
poll 10 grep -q listening "$LAB/other.log"
ip -n device -batch - <<'END'
link add docker0 type bridge
link set docker0 up
address add 198.18.60.1/24 dev docker0
END
for c in 2 3; do
    ip netns add "c$c"
    ip -n device link add "vc$c" index "7$c" type veth peer name lan index "8$c" netns "c$c"
    ip -n device link set "vc$c" master docker0 up
    printf 'link set lo up\nlink set lan up\naddress add 198.18.60.%s/24 dev lan\n' "$c" | ip -n "c$c" -batch -
done
nsenter --net=/run/netns/c3 socat UDP4-RECVFROM:7002,fork PIPE >"$LAB/c3.log" 2>&1 &
nsenter --net=/run/netns/other socat UDP6-RECVFROM:7002,ipv6only=0,fork PIPE >"$LAB/other.udp" 2>&1 &
switch=/proc/sys/net/bridge/bridge-nf-call-iptables
on device test -e $switch || { skip "the kernel has no br_netfilter"; exit 0; }
echoes() { [ "$(echo udp | on "$1" socat -t 0.5 - "$2" 2>/dev/null)" = udp ]; }
pings() { on "$1" ping -c 1 -W 1 "$2"; }
reaches() { on host socat -u OPEN:/dev/null "$1,connect-timeout=1"; }

bridged() {
    unlock
    for on_off in 1 0; do
        on device sh -c "cd ${switch%/*}; for s in bridge-nf-call-*; do echo $on_off >\$s; done"
        lock "bridge-nf-call $on_off: locked"
        check "${WITH}bridge-nf-call $on_off: it says so" grep -qx 'bridged: yes' "$LAB/said"
        wait_for 3 "${WITH}bridge-nf-call $on_off: hosts of the bridge reach each other" reaches TCP4:198.18.50.3:7001
        wait_for 3 "${WITH}bridge-nf-call $on_off: IPv6" reaches 'TCP6:[2001:db8:50::3]:7001'
        wait_for 3 "${WITH}bridge-nf-call $on_off: UDP" echoes host UDP4:198.18.50.3:7002
        wait_for 3 "${WITH}bridge-nf-call $on_off: UDP over IPv6" echoes host 'UDP6:[2001:db8:50::3]:7002'
        wait_for 3 "${WITH}bridge-nf-call $on_off: containers of a bridge that is not ours: UDP" echoes c2 UDP4:198.18.60.3:7002
        wait_for 3 "${WITH}bridge-nf-call $on_off: and ping" pings c2 198.18.60.3
    done
    on device sh -c "cd ${switch%/*}; for s in bridge-nf-call-*; do echo 1 >\$s; done"
    check "${WITH}the device is shut" not reaches TCP4:198.18.50.1:7001
    check "${WITH}the device is shut to containers" not pings c2 198.18.60.1
    check "${WITH}the cloud is shut" not reaches TCP4:198.18.100.8:80
    # Routed by the device, back to the same bridge.
    ip -n host route add 198.18.50.3/32 via 198.18.50.1
    on device sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects; echo 0 >/proc/sys/net/ipv4/conf/br-apnet/send_redirects'
    ip -n host route flush cache
    check "${WITH}routed to a host of the same bridge: judged" not reaches TCP4:198.18.50.3:7001
    # With another program's mark.
    on device nft -f - <<'END'
table ip others {
    chain marks { type filter hook prerouting priority mangle; meta mark set 0x1; }
}
END
    check "${WITH}with another program's mark: judged" not reaches TCP4:198.18.50.3:7001
    on device nft delete table ip others
    ip -n host route del 198.18.50.3/32
    wait_for 3 "${WITH}no longer routed: it passes" reaches TCP4:198.18.50.3:7001
    script fwcfg.sh unlock
}
backends bridged
