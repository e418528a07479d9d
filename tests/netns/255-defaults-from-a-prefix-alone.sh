#!/bin/sh
# For IPv6 the links have only a default for packets from their own address, as odhcp6c and netifd make it on OpenWrt
# (recorded: default from 2001:db8:1::60 via fe80::... dev eth0 proto static metric 512). connmgr puts a plain default in front,
# with the same router, for the link in use. It follows a dead upstream, a cable, and the lifetime and the deletion of that route.
# takes 60 s
. "$(dirname "$0")/lib.sh"

# from_default add|replace|del LINK [ATTRIBUTE...]: changes the link's own default.
from_default() {
    verb=$1 link=$2
    shift 2
    case $link in wwan*) router='' ;; *) router="via $(router_of_link "$link")" ;; esac
    # shellcheck disable=SC2086  # two words
    ip -n device -6 route "$verb" default from "$(subnet6_of "$link")::2" $router dev "$link" proto static metric 512 "$@"
}
router_of_link() { ip -n "$(router_of "$1")" -6 -o address show dev lan scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p'; }
has_router() { [ -n "$(router_of_link "$1")" ]; }
plain() { ip -n device -6 route show default dev "$1" | grep -q '^default via'; }
in_front() { in_use6 "$1" && ip -n device -6 route show default dev "$1" | grep -q "^default via $(router_of_link "$1") .*metric 1 "; }
own_defaults() { [ "$(ip -n device -6 route show default | grep -c '^default from 2001:db8:.* metric 512')" = "$1" ]; }
cloud_answers() { on device ping -6 -c 1 -W 1 2001:db8:100::8; }
both_on() { in_use "$1" && in_front "$1"; }

lab_up
for link in eth0 wlan0 wwan0; do
    ip -n device -6 route flush dev "$link" exact default
    case $link in wwan*) ;; *) poll 10 has_router "$link" ;; esac
    from_default add "$link"
done
check "without connmgr a packet from no address of a link has no way out" not on device ip -6 route get 2001:db8:100::8 from ::1

start_connmgr --idle 4
wait_for 10 "at first eth0 is in use, it and wlan0 are confirmed" settled
check "a plain default of eth0 is in front, over its router" in_front eth0
check "each link keeps its own" own_defaults 3
check "the cloud answers" cloud_answers

# Traffic, so that a dead upstream is noticed soon.
(while :; do cloud_answers >/dev/null 2>&1; pause 0.2; done) &

upstream_dead eth0
wait_for 40 "its upstream is dead: both families move to wlan0" both_on wlan0
check "each link keeps its own default" own_defaults 3
check "the cloud answers" cloud_answers
upstream_alive eth0
wait_for 40 "its upstream works again: both move back" both_on eth0
check "the cloud answers" cloud_answers

unplug eth0
wait_for 5 "its cable is pulled: both families move to wlan0" both_on wlan0
check "the cloud answers" cloud_answers
plug eth0
wait_for 40 "the cable is back: both move back" both_on eth0

# odhcp6c renews the route's lifetime.
from_default replace eth0 expires 4
pause 1
from_default replace eth0 expires 1800
stays 5 "the lifetime is renewed: the plain default stays" in_front eth0
from_default replace eth0 expires 2
wait_for 40 "the lifetime ends: so does the plain default" not plain eth0
wait_for 5 "IPv4 stays" in_use eth0
from_default replace eth0
wait_for 10 "the route is there again: so is the plain default" in_front eth0

from_default del eth0
wait_for 5 "the route is deleted: so is the plain default" not plain eth0
from_default add eth0
wait_for 10 "and back" in_front eth0
wait_for 5 "the cloud answers" cloud_answers
check "no switch failed" not log_has 'switching to .* failed'
