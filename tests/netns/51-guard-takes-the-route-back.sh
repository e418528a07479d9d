#!/bin/sh
# The chosen default route disappears, or another gets in front of it: the switch is made again.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
ip -n device route prepend default via 198.18.2.1 dev wlan0
wait_for 3 "another default in front: eth0 is back in front" in_use eth0
ip -n device route delete default dev eth0
ip -n device route add default via 198.18.1.1 dev eth0 metric 10
wait_for 3 "a renewed default at its own metric: eth0 is back in front" in_use eth0
ip -n device -6 route delete default dev eth0
ip -n device -6 route add default via 2001:db8:1::1 dev eth0 metric 10
wait_for 3 "the same, IPv6" in_use6 eth0
stays 3 "eth0 stays in front" in_use eth0
check "wlan0 was never chosen" not log_has '^<[0-7]> ?using wlan0'
