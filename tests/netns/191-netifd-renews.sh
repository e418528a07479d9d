#!/bin/sh
# OpenWrt's netifd renews, restarts and stops links, message by message as its system-linux.c sends them
# (netifd itself runs only on OpenWrt): "proto static", its own metric or none, NLM_F_REPLACE. It never checks
# where its route has gone.
# takes 45 s
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
wait_for 3 "the same, IPv6" in_use6 wlan0
ifup eth0
wait_for 20 "ifup eth0: it is back after its hold" settled
check "no switch was reported as failed" not log_has 'switching to .* failed'

# The kernel refuses netifd's deletion, because connmgr has moved the route from netifd's metric.
leads6_over() { ip -n device route get 2001:db8:100::8 | grep -q "dev $1 "; }
address6() { netifd "$1" "$2" address "$(subnet6_of "$2")::2" 64; }
netifd del eth0 route 2001:db8:1::1 10
address6 del eth0
wait_for 3 "eth0 loses its IPv6 address alone: IPv6 leaves over wlan0" leads6_over wlan0
stays 1 "and IPv4 over eth0" in_use eth0
address6 add eth0
wait_for 5 "the IPv6 address is back, and eth0 in front" in_use6 eth0
address6 del wlan0
stays 1 "wlan0 loses its IPv6 address alone: eth0 stays in front" in_use6 eth0
address6 del eth0
wait_for 3 "eth0 too: IPv6 leaves over LTE" leads6_over wwan0
for link in wlan0 eth0; do address6 add "$link"; done
wait_for 5 "both have it again, and eth0 is in front" in_use6 eth0

# An outage of the address is waited out for a second, but a family does not wait on a link without one.
calm
seen=$(wc -l <"$LAB/events")
addresses del eth0
wait_for 5 "eth0 loses both addresses: wlan0 is in use" in_use wlan0
wait_for 3 "the same, IPv6" in_use6 wlan0
event_number() { sed "1,${seen}d" "$LAB/events" | grep -n "$1" | head -n 1 | cut -d : -f 1; }
left=$(event_number 'default6 eth0 metric 1 gone') came=$(event_number 'default4 wlan0 metric 0 new')
check "IPv6 had left eth0 before the switch" test "${left:-999}" -lt "${came:-0}"
addresses add eth0
routes add eth0
wait_for 20 "eth0 has both again and is back after its hold" settled
check "no switch was reported as failed" not log_has 'switching to .* failed'

# netifd without a metric replaces the route at metric 0, and the kernel does not report the old one.
netifd add wlan0 route 198.18.2.1 0 198.18.2.2
wait_for 5 "wlan0 without a metric replaces the default of eth0: it is restored" settled
wlan0_behind() { ip -n device -4 route show default dev wlan0 | grep -q 'metric 20'; }
wait_for 5 "and wlan0 stands behind" wlan0_behind
