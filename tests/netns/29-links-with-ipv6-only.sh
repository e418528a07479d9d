#!/bin/sh
# Links without IPv4 are judged by IPv6.
# takes 30 s
. "$(dirname "$0")/lib.sh"

lab_up
for link in eth0 wlan0 wwan0; do ip -n device -4 address flush dev "$link"; done
start_connmgr --resolver 2001:db8:100::53 --ping 2001:db8:100::8
wait_for 5 "eth0 is in use" in_use6 eth0
wait_for 5 "eth0 is confirmed" state eth0 ITFUP_SS
wait_for 5 "wlan0 is confirmed" state wlan0 ITFUP_SS
upstream_dead eth0
wait_for 21.5 "silent death: wlan0 takes over" in_use6 wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
check "LTE was never touched" lte_untouched
