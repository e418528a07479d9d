#!/bin/sh
# A captive portal on Wi-Fi accepts every connection and answers HTTP, and lets ICMP pass: Wi-Fi is never
# confirmed, and not used while LTE works.
# takes 40 s
. "$(dirname "$0")/lib.sh"

lab_up
portal wlan0 portal
ip -n device link delete eth0
start_connmgr
wait_for 5 "wlan0 counts as failed" state wlan0 ITFUP_SF
wait_for 5 "LTE is in use" in_use wwan0
check "ping passes over wlan0" on device ping -I wlan0 -c 1 -W 2 198.18.100.8
on device "$LABTOOL" talk udp 198.18.100.11 80 >"$LAB/talk" &
on device ping -i 0.2 -I wlan0 198.18.100.8 >"$LAB/ping" &
stays 35 "LTE stays in use" in_use wwan0
check "wlan0 was probed again" test "$(probes wlan0)" -ge 3
check "wlan0 was never confirmed" not log_has '^<[0-7]> ?wlan0: .* -> ITFUP_SS'
