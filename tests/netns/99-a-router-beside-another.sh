#!/bin/sh
# Two routers advertise themselves in the LAN of eth0. The kernel prefers the one with the higher preference (RFC 4191), but
# passes over a router that neighbour unreachability detection has given up (RFC 4861, section 7.3). connmgr's copy in front
# does the same, and goes back when the router is there again.
# takes 30 s
. "$(dirname "$0")/lib.sh"

# advertises LINK PREFERENCE: the router r-eth advertises itself at LINK.
advertises() {
    nsenter --net=/run/netns/r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 --no-resolv \
        --dhcp-leasefile="$LAB/leases.$1" --interface="$1" --bind-interfaces --enable-ra --ra-param="$1${2:+,$2},4,1800" \
        --dhcp-range=2001:db8:1::,ra-only,64 >"$LAB/dnsmasq.$1" 2>&1 &
}
router() { ip -n r-eth -6 -o address show dev "$1" scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p'; }
has_router() { [ -n "$(router "$1")" ]; }
kernel_has() { ip -n device -6 route show default dev eth0 proto ra | grep -q "via $1 "; }
in_front() { ip -n device -6 route show default dev eth0 proto 175 | grep "metric 1 " | grep -q "via $1 "; }
given_up() { ip -n device -6 neighbour show to "$1" dev eth0 | grep -q FAILED; }
# no_longer_used ROUTER: the kernel has given it up. If it has many neighbours, it soon forgets an entry that has failed.
no_longer_used() { given_up "$1" || [ -z "$(ip -n device -6 neighbour show to "$1" dev eth0)" ]; }
# The kernel may forget that entry between the two steps, too: then the command uses the router, as the kernel does.
route_avoids_dead_router() {
    given_up "$second" \
        && on device "$(connmgr_path)" route eth0 --config-dir "$LAB/etc" --run-dir "$LAB/run" \
        && in_front "$first"
}
cloud_answers() { on device ping -6 -c 1 -W 1 2001:db8:100::8; }

lab_up
ip -n device -6 address flush dev eth0 scope global
ip -n device -6 route flush dev eth0 exact default
# The kernel gives a neighbour up after a second instead of eight.
on device sh -c 'cd /proc/sys/net/ipv6/neigh/eth0
    echo 500 >base_reachable_time_ms; echo 1 >delay_first_probe_time; echo 100 >retrans_time_ms'
ip -n r-eth -batch - <<'END2'
link add lan2 link lan type macvlan mode bridge
link set lan2 up
address add 2001:db8:1::3/64 dev lan2 nodad
END2
poll 10 has_router lan2
first=$(router lan) second=$(router lan2)

# traffic: questions to the cloud, so that the kernel notices a dead router.
(while :; do cloud_answers >/dev/null 2>&1; pause 0.2; done) &

advertises lan ''
advertises lan2 high
wait_for 20 "the kernel has a default of the first router" kernel_has "$first"
wait_for 20 "and of the second one" kernel_has "$second"
start_connmgr
wait_for 10 "eth0 is in use" in_use eth0
wait_for 10 "the copy in front uses the router of the higher preference" in_front "$second"
wait_for 10 "the cloud answers" cloud_answers

ip -n r-eth link set lan2 down
wait_for 20 "it dies: the kernel gives it up" no_longer_used "$second"
wait_for 10 "the copy uses the other router" in_front "$first"
wait_for 10 "the cloud answers" cloud_answers
check "nobody has moved to another link" in_use6 eth0

ip -n r-eth link set lan2 up
poll 10 has_router lan2
wait_for 30 "it is back: the copy uses it again" in_front "$second"
wait_for 10 "the cloud answers" cloud_answers

# It is dead before the daemon begins.
stop_connmgr || :
ip -n r-eth link set lan2 down
ip -n device -6 route flush dev eth0 proto 175
wait_for 20 "without a daemon: the kernel gives it up, and 'connmgr route' uses the other one" route_avoids_dead_router
ip -n device -6 route flush dev eth0 proto 175
start_connmgr
wait_for 10 "eth0 is in use" in_use eth0
wait_for 10 "the copy uses the router that is reachable" in_front "$first"
wait_for 10 "the cloud answers" cloud_answers

