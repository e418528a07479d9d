#!/bin/sh
# A choice without IPv4 is in use, and status shows both families; IPv4 leaves over the best of the others, never over one that is dead.
# takes 30 s
. "$(dirname "$0")/lib.sh"

lab_up
ip -n device -4 address flush dev eth0
RESOLVER="--resolver 198.18.100.53 --resolver 2001:db8:100::53" start_connmgr --ping 2001:db8:100::8
wait_for 10 "eth0 has IPv6 alone, and is confirmed" state eth0 ITFUP_SS
wait_for 10 "IPv6 leaves over it" in_use6 eth0
wait_for 5 "it is in use" status_has '^in use +eth0 for '
check "status shows both families" status_has '^ +IPv4 over wlan0, IPv6 over eth0$'
check "status --json, too" status_is_valid
check "IPv4 over wlan0" grep -q '"in_use_ipv4": *"wlan0"' "$LAB/status.json"
upstream_dead wlan0
wait_for 30 "wlan0 has failed" state wlan0 ITFUP_SF
leads_over() { ip -n device route get 198.18.100.8 | grep -q "dev $1 "; }
wait_for 5 "IPv4 leaves over LTE, not over the dead wlan0" leads_over wwan0
check "eth0 is in use" status_has '^in use +eth0 for '
