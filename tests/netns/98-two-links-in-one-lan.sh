#!/bin/sh
# eth0 and wlan0 are in one LAN, behind the same router, as in most homes. Each answers ARP for its own
# addresses alone, so neither is declared failed; and the router, which is the LAN's name server, is reached over
# the link in use.
# takes 50 s
. "$(dirname "$0")/lib.sh"

lab_up
one_lan 198.18.1.1/24 2001:db8:1::1/64
join() {
    ip -n device -batch - <<END
link set wlan0 up
address replace 198.18.1.3/24 dev wlan0
address replace 2001:db8:1::3/64 dev wlan0
route replace default via 198.18.1.1 dev wlan0 metric 20
route replace default via 2001:db8:1::1 dev wlan0 metric 20
END
}
join
on r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
    --no-hosts --bind-interfaces --listen-address=198.18.1.1 --server=198.18.100.53 >"$LAB/router-dns" 2>&1 &
RESOLVER='--resolver 198.18.1.1' start_connmgr --idle 4
wait_for 10 "both links are confirmed" settled
setting() { on device cat "/proc/sys/net/ipv4/conf/$1/$2"; }
for link in eth0 wlan0; do
    check "$link answers ARP for its own addresses alone" test "$(setting $link arp_ignore) $(setting $link arp_announce)" = "1 2"
done

# The router asks anew, again and again: only the link with the address answers.
mac_of() { ip -n device -o link show dev "$1" | sed -n 's|.*link/ether \([^ ]*\).*|\1|p'; }
known() { ip -n r-eth neigh show "$1" dev lanbr | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
right=0
for n in 1 2 3 4 5 6 7 8; do
    ip -n r-eth neigh flush dev lanbr
    on r-eth ping -c 1 -W 1 198.18.1.2 >"$LAB/last" || :
    on r-eth ping -c 1 -W 1 198.18.1.3 >"$LAB/last" || :
    if [ "$(known 198.18.1.2)" = "$(mac_of eth0)" ] && [ "$(known 198.18.1.3)" = "$(mac_of wlan0)" ]; then right=$((right + 1)); fi
done
check "the router learns the right hardware addresses, $right of 8 times" test "$right" = 8

leads() { ip -n device route get 198.18.1.1 | grep -q " dev $1 " && ip -n device route get 2001:db8:1::1 | grep -q " dev $1 "; }
wait_for 5 "the router is reached over eth0" leads eth0

# What comes to the address of the other link is answered over that link.
arrived() { ip -n r-eth -s -j link show dev "$1" | tr -d ' \n' | sed -n 's/.*"rx":{"bytes":[0-9]*,"packets":\([0-9]*\).*/\1/p'; }
answered_over() { # answered_over DEVICE ADDRESS: ten pings of the router, and the answers come in by its DEVICE
    before=$(arrived "$1")
    on r-eth ping -c 10 -i 0.02 -W 1 "$2" >"$LAB/last" || return 1
    after=$(arrived "$1")
    [ $((after - before)) -ge 10 ]
}
for address in 198.18.1.3 2001:db8:1::3; do
    wait_for 5 "$address answers over wlan0, although eth0 is in use" answered_over radio $address
done
check "there is one rule for it" test "$(ip -n device rule | grep -c 'from 198.18.1.3 lookup 45000012')" = 1
ip -n device rule delete from 198.18.1.3
wait_for 5 "another program deletes the rule: it is added again" answered_over radio 198.18.1.3
ip -n device route flush table 45000012
wait_for 5 "another program deletes the routes: they are added again" answered_over radio 198.18.1.3
has_both_defaults() { ip -n device -6 route show table 45000012 | grep -q default && ip -n device route show table 45000012 | grep -q default; }
wait_for 5 "the table has the defaults of both families" has_both_defaults
# eth0's cable is good, but the router drops whatever comes from there.
for chain in INPUT FORWARD; do
    on r-eth iptables -w -A $chain -s 198.18.1.2 -j DROP
    on r-eth ip6tables -w -A $chain -s 2001:db8:1::2 -j DROP
done
wait_for 21.5 "eth0 is silent: wlan0 takes over" in_use wlan0
wait_for 5 "the router is reached over wlan0" leads wlan0
check "the dead link keeps its own rule" sh -c "ip -n device rule | grep -q 'from 198.18.1.2 lookup 45000011'"
check "that of wlan0 is gone" sh -c "! ip -n device rule | grep -q 'from 198.18.1.3'"
check "the name server of the LAN answers programs" sh -c "nsenter --net=/run/netns/device '$LABTOOL' resolve 198.18.1.1 echo.example | grep -q 198.18.100"
for chain in INPUT FORWARD; do
    on r-eth iptables -w -F $chain
    on r-eth ip6tables -w -F $chain
done
wait_for 50 "eth0 is healthy: it is chosen again" in_use eth0
wait_for 5 "the router is reached over it" leads eth0
join
stays 4 "a DHCP renewal on wlan0 changes nothing" leads eth0
unplug eth0
wait_for 5 "a pulled cable: over wlan0" leads wlan0
plug eth0
wait_for 50 "plugged again: over eth0" leads eth0
ip -n device link delete wlan0
own() { ip -n device route show proto 175 | grep -q 198.18.1.0/24; }
wait_for 5 "alone in its LAN, eth0 needs no route of ours" not own
check "the router is reached still" leads eth0
no_rules() { ! ip -n device rule | grep -q 'lookup 45' && ! ip -n device -6 rule | grep -q 'lookup 45' && ! ip -n device route show table all | grep -q 'table 45'; }
wait_for 5 "and no rules, and no tables" no_rules
check "LTE was never touched" lte_untouched
stop_connmgr
