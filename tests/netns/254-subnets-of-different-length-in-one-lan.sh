#!/bin/sh
# eth0 and wlan0 are in one LAN, behind the same router, but one has a longer subnet than the other, which contains
# it. The kernel prefers the longer one, whatever link is in use. The router and the LAN's name server are reached
# over the link in use all the same; replies leave by their link; each link answers ARP for its own addresses alone.
# takes 40 s
. "$(dirname "$0")/lib.sh"

ROUTER=198.18.1.129 ROUTER6=2001:db8:1::1 # in both subnets
SERVER=198.18.1.53 SERVER6=2001:db8:1:0:1::53 # in the shorter one alone
ETH=198.18.1.2 ETH6=2001:db8:1::2 WLAN=198.18.1.130 WLAN6=2001:db8:1::3

# join LINK ADDRESS ADDRESS6: as a DHCP client and router advertisements configure it.
join() {
    ip -n device -batch - <<END
link set $1 up
address flush dev $1 scope global
address add $2 dev $1
address add $3 dev $1
route replace default via $ROUTER dev $1 metric $(metric_of "$1")
route replace default via $ROUTER6 dev $1 metric $(metric_of "$1")
END
}

lab_up
one_lan $ROUTER/24 $SERVER/24 $ROUTER6/64 $SERVER6/64
join eth0 $ETH/24 $ETH6/64
join wlan0 $WLAN/25 $WLAN6/80
on r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
    --no-hosts --bind-interfaces --listen-address=$SERVER --listen-address=$SERVER6 --server=198.18.100.53 >"$LAB/router-dns" 2>&1 &
RESOLVER="--resolver $SERVER" start_connmgr --idle 4
wait_for 10 "both links are confirmed" settled

leads_to() { ip -n device route get "$2" | grep -q " dev $1 "; }
lead() { leads_to "$1" $ROUTER && leads_to "$1" $SERVER && leads_to "$1" $ROUTER6 && leads_to "$1" $SERVER6; }
answers() { on device "$LABTOOL" resolve "$1" echo.example | grep -q 198.18.100; }
arrived() { ip -n r-eth -s -j link show dev "$1" | tr -d ' \n' | sed -n 's/.*"rx":{"bytes":[0-9]*,"packets":\([0-9]*\).*/\1/p'; }
answered_over() { # answered_over DEVICE SOURCE ADDRESS: ten pings of the router, and the answers come in by its DEVICE
    before=$(arrived "$1")
    on r-eth ping -c 10 -i 0.02 -W 1 -I "$2" "$3" >"$LAB/last" || return 1
    after=$(arrived "$1")
    [ $((after - before)) -ge 10 ]
}
mac_of() { ip -n device -o link show dev "$1" | sed -n 's|.*link/ether \([^ ]*\).*|\1|p'; }
known() { ip -n r-eth neigh show "$1" dev lanbr | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
own_arp() {
    ip -n r-eth neigh flush dev lanbr
    on r-eth ping -c 1 -W 1 $ETH >"$LAB/last" || :
    on r-eth ping -c 1 -W 1 $WLAN >"$LAB/last" || :
    [ "$(known $ETH)" = "$(mac_of eth0)" ] && [ "$(known $WLAN)" = "$(mac_of wlan0)" ]
}
# shared WORDS: what holds while eth0 is in use, whichever subnet is the longer one.
shared() {
    wait_for 5 "$1: the router and the name server are reached over eth0" lead eth0
    check "$1: the name server answers" answers $SERVER
    for source in $ROUTER $SERVER; do
        wait_for 5 "$1: wlan0 answers $source over its own link" answered_over radio "$source" $WLAN
    done
    for source in $ROUTER6 $SERVER6; do
        wait_for 5 "$1: wlan0 answers $source over its own link" answered_over radio "$source" $WLAN6
    done
    for n in 1 2 3; do check "$1: each link answers ARP for its own address alone, $n of 3" own_arp; done
}
shared "/25 and /80 on wlan0"

# A DHCP client gives up: the default goes, the address stays. Nothing may be sent to the router over that link.
ip -n device -batch - <<END
route delete default via $ROUTER dev wlan0
route delete default via $ROUTER6 dev wlan0
END
stays 3 "wlan0 loses its default: the router and the name server are reached over eth0" lead eth0
check "wlan0 answers $ROUTER over its own link still" answered_over radio $ROUTER $WLAN
join wlan0 $WLAN/25 $WLAN6/80
wait_for 10 "wlan0 has its default again" settled

# eth0's cable is good, but the router drops whatever comes from there.
for chain in INPUT FORWARD; do
    on r-eth iptables -w -A $chain -s $ETH -j DROP
    on r-eth ip6tables -w -A $chain -s $ETH6 -j DROP
done
wait_for 21.5 "eth0 is silent: wlan0 takes over" in_use wlan0
wait_for 5 "the router and the name server are reached over wlan0" lead wlan0
check "the name server answers" answers $SERVER
check "what comes to eth0 is answered by it" sh -c "ip -n device rule | grep -q 'from $ETH lookup 45000011'"
for chain in INPUT FORWARD; do
    on r-eth iptables -w -F $chain
    on r-eth ip6tables -w -F $chain
done
wait_for 50 "eth0 is healthy: it is chosen again" in_use eth0
wait_for 5 "the router and the name server are reached over it" lead eth0

# The other way round. The addresses go and come while both links stay up.
ETH=198.18.1.131
join eth0 $ETH/25 $ETH6/80
join wlan0 $WLAN/24 $WLAN6/64
wait_for 30 "eth0 has the longer subnet: it is in use" settled
shared "/25 and /80 on eth0"

# Subnets that overlap behind different routers are different LANs.
ip -n device route replace default via 198.18.1.1 dev wlan0 metric 20
ip -n device route replace default via 2001:db8:1::2:1 dev wlan0 metric 20
apart() { leads_to wlan0 $SERVER && leads_to wlan0 $SERVER6 && leads_to eth0 $ROUTER && leads_to eth0 $ROUTER6; }
wait_for 5 "another router on wlan0: its subnet is left to the kernel" apart
own() { ip -n device route show table all | grep -q 'proto 175.*198.18.1\|198.18.1.*proto 175' || ip -n device rule | grep -q 'lookup 45'; }
wait_for 5 "no route and no rule of ours is left" not own
check "LTE was never touched" lte_untouched
stop_connmgr
