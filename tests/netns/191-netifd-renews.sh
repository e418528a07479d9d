#!/bin/sh
# OpenWrt's netifd renews, restarts and stops links, message by message as its system-linux.c sends them
# (netifd itself runs only on OpenWrt): "proto static", its own metric or none, NLM_F_REPLACE. It never checks
# where its route has gone.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/guard.sh"

# netifd ignores errors of the kernel.
netifd() { on device "$LABTOOL" netifd "$@" 2>"$LAB/netifd" || [ $? = 2 ]; }
# routes add|del LINK [METRIC]: adds or deletes both defaults of the link.
routes() {
    netifd "$1" "$2" route "$(subnet_of "$2").1" "${3:-$(metric_of "$2")}" "$(subnet_of "$2").2"
    netifd "$1" "$2" route "$(subnet6_of "$2")::1" "${3:-$(metric_of "$2")}"
}
addresses() {
    netifd "$1" "$2" address "$(subnet_of "$2").2" 24
    netifd "$1" "$2" address "$(subnet6_of "$2")::2" 64
}
ifup() {
    ip -n device link set "$1" up
    addresses add "$1"
    routes add "$@"
}
ifdown() {
    routes del "$@"
    addresses del "$1"
    ip -n device link set "$1" down
}
default_of() { ip -n device -4 route show default dev "$1" | sed 's/ *$//'; }
is_default() { [ "$(default_of "$1")" = "$2" ]; }

lab_up
for link in eth0 wlan0; do
    unconfigure "$link"
    ifup "$link"
done
start_connmgr
wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled
check "its protocol and source address are kept" is_default eth0 "default via 198.18.1.1 proto static src 198.18.1.2"
watch_routes

deleted_and_added() {
    routes del "$@"
    routes add "$@"
}
deleted_and_added eth0
stays 1 "its own metric: both routes deleted (refused) and added: eth0 stays in front" in_use eth0
check "the same, IPv6" in_use6 eth0
deleted_and_added wlan0
stays 1 "the same of wlan0" in_use eth0

# Without "option metric" a deletion means any metric, and an IPv6 route gets 1024.
for round in 1 2 3 4 5; do disturbed 6 "no metric, round $round" deleted_and_added eth0 0; done
check "IPv4 is in front, too" in_use eth0
restored_in_time "IPv6"

ip -n r-eth address add 198.18.1.254/24 dev lan
another_router() {
    netifd del eth0 route "$1" 10 198.18.1.2
    netifd add eth0 route "$2" 10 198.18.1.2
}
another_router 198.18.1.1 198.18.1.254
wait_for 3 "another router by DHCP: it is in front, the other has gone" is_default eth0 "default via 198.18.1.254 proto static src 198.18.1.2"
calm
another_router 198.18.1.254 198.18.1.1
wait_for 3 "and back" is_default eth0 "default via 198.18.1.1 proto static src 198.18.1.2"
check "until now nobody has moved" not log_has '^<[0-7]> ?using wlan0'

ifdown wlan0
stays 1 "ifdown wlan0: eth0 stays in use" in_use eth0
ifup wlan0
stays 1 "ifup wlan0: eth0 stays in use" in_use eth0
wait_for 10 "wlan0 is confirmed" state wlan0 ITFUP_SS
ifdown eth0
wait_for 3 "ifdown eth0: wlan0 is in use" in_use wlan0
ifup eth0
wait_for 20 "ifup eth0: it is back after its hold" settled

# netifd without a metric replaces the route at metric 0, and the kernel does not report the old one.
netifd add wlan0 route 198.18.2.1 0 198.18.2.2
wait_for 5 "wlan0 without a metric replaces the default of eth0: it is restored" settled
wlan0_behind() { ip -n device -4 route show default dev wlan0 | grep -q 'metric 20'; }
wait_for 5 "and wlan0 stands behind" wlan0_behind
