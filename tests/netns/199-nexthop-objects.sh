#!/bin/sh
# Defaults with nexthop objects stay where they are, and a plain copy goes in front. (With an object in front
# the kernel finds no other default for a socket that is bound to another device: no probe would leave.) A
# group that other links share is never deleted.
# takes 25 s
. "$(dirname "$0")/lib.sh"

lab_up
defaults4() { ip -n device -4 route show default | sed 's/ *$//'; }
# no_defaults FAMILY: "ip route flush" cannot delete routes of nexthop objects.
no_defaults() { while ip -n device "-$1" route del default 2>/dev/null; do :; done; }
shows() { defaults4 | grep -qx "$1"; }
no_defaults 4
ip -n device -batch - <<'END2'
nexthop add id 11 via 198.18.1.1 dev eth0
nexthop add id 12 via 198.18.2.1 dev wlan0
route add default nhid 11 metric 10
route add default nhid 12 metric 20
route add default dev wwan0 metric 50
END2
start_connmgr
wait_for 5 "a copy of eth0's is in front" shows 'default via 198.18.1.1 dev eth0 proto 175'
check "and the one by its object is where it was" shows 'default nhid 11 via 198.18.1.1 dev eth0 metric 10'
unplug eth0
wait_for 5 "a copy of wlan0's takes over" shows 'default via 198.18.2.1 dev wlan0 proto 175'
# On carrier loss the kernel deletes the link's objects and their routes.
plug eth0
ip -n device nexthop replace id 11 via 198.18.1.1 dev eth0
ip -n device route replace default nhid 11 metric 10
wait_for 30 "and back" in_use eth0
wait_for 5 "wlan0's has only that by its object" shows 'default nhid 12 via 198.18.2.1 dev wlan0 metric 20'
stop_connmgr || :

# A group in front, over eth0 and wlan0, which have no default of their own.
no_defaults 4
ip -n device -batch - <<'END2'
nexthop add id 19 group 11/12
route add default nhid 19
route add default dev wwan0 metric 50
END2
start_connmgr
wait_for 5 "a group in front: eth0 takes over" in_use eth0
group_behind() { defaults4 | grep -q '^default nhid 19 .*metric 100'; }
check "the group is behind, whole" group_behind
unplug eth0
wait_for 5 "eth0 pulled: wlan0 takes over, out of the group" in_use wlan0
stop_connmgr || :

# Groups of IPv6, an object that drops, and one that is changed while its route stands.
plug eth0
configure eth0
no_defaults 6
ip -n device -batch - <<'END2'
nexthop replace id 31 via 2001:db8:1::1 dev eth0
nexthop replace id 32 via 2001:db8:2::1 dev wlan0
nexthop replace id 39 group 31/32
END2
ip -n device -6 route add default nhid 39 metric 1
ip -n device -6 route add default dev wwan0 metric 50
start_connmgr
leads6() { ip -n device route get 2001:db8:100::8 | grep -q 'dev eth0'; }
wait_for 30 "a group of IPv6 in front: a copy of eth0's takes over" leads6
copy6() { ip -n device -6 route show default | grep -q 'via 2001:db8:1::1 dev eth0 proto 175 metric 1 '; }
check "it is connmgr's" copy6
group6_there() { ip -n device -6 route show default | grep -q 'nhid 39'; }
check "the group is there" group6_there
wlan0_way() { on device ping -6 -c 1 -W 1 -I wlan0 2001:db8:100::8; }
wait_for 10 "wlan0 has a way out by the group" wlan0_way
stop_connmgr || :
no_defaults 6
configure eth0
configure wlan0
no_defaults 4
ip -n device nexthop replace id 41 via 198.18.1.1 dev eth0
ip -n device nexthop replace id 42 blackhole
ip -n device route add default nhid 41 metric 10
ip -n device route add default nhid 42 metric 4000
ip -n device route add default via 198.18.2.1 dev wlan0 metric 20
start_connmgr
wait_for 30 "an object that drops among them: eth0 is in use" in_use eth0
ip -n r-eth address add 198.18.1.7/24 dev lan
ip -n device nexthop replace id 41 via 198.18.1.7 dev eth0
leads_by() { ip -n device route get 198.18.100.8 | grep -q "via $1 dev eth0"; }
wait_for 20 "the object has another gateway: the copy follows" leads_by 198.18.1.7
upstream_dead eth0
wait_for 30 "its upstream dies: wlan0 is in use, not the object that drops" in_use wlan0
upstream_alive eth0
check "the object's routes are there" test "$(defaults4 | grep -c 'nhid 4[12]')" = 2
stop_connmgr || :
no_defaults 4
configure wlan0

# IPv6: for a deletion the kernel takes an object's route for any other at the same metric.
plug eth0
configure eth0
no_defaults 6
ip -n device -batch - <<'END2'
nexthop add id 21 via 2001:db8:1::1 dev eth0
END2
ip -n device -6 route add default nhid 21 metric 1
ip -n device -6 route append default via 2001:db8:2::1 dev wlan0 metric 1
start_connmgr
wait_for 30 "IPv6: eth0 alone is in front" in_use6 eth0
wlan0_there() { ip -n device -6 route show default | grep -q 'via 2001:db8:2::1 dev wlan0 metric 20'; }
wait_for 5 "IPv6: wlan0 has its own metric, and has not lost its default" wlan0_there
