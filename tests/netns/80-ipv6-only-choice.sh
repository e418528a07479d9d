#!/bin/sh
# A choice without IPv4 is in use, and status shows both families; IPv4 leaves over the best of the others, never over one that is dead.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
start_attrd
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
metrics_say() { ask metrics | grep -E "$1"; }
wait_for 5 "attribute 65008 says Ethernet" is 65008 00
check "the metrics say that eth0 is in use" metrics_say '^connmgr_link_in_use\{[^}]*eth0[^}]*\} 1'
check "and that wlan0 is not" metrics_say '^connmgr_link_in_use\{[^}]*wlan0[^}]*\} 0'
upstream_alive wlan0
stop_connmgr

# The same with the families exchanged: eth0 has IPv4 alone.
ip -n device -6 address flush dev eth0 scope global
ip -n device -6 route flush dev eth0 exact default
configure eth0
ip -n device -6 address flush dev eth0 scope global
ip -n device -6 route flush dev eth0 exact default
RESOLVER="--resolver 198.18.100.53 --resolver 2001:db8:100::53" start_connmgr
wait_for 10 "eth0 has IPv4 alone, and is confirmed" state eth0 ITFUP_SS
wait_for 10 "wlan0 is confirmed" state wlan0 ITFUP_SS
wait_for 10 "IPv4 leaves over it" in_use eth0
wait_for 5 "status shows both families" status_has '^ +IPv4 over eth0, IPv6 over wlan0$'
leads6_over() { ip -n device route get 2001:db8:100::8 | grep -q "dev $1 "; }
upstream_dead wlan0
wait_for 30 "wlan0 has failed" state wlan0 ITFUP_SF
wait_for 5 "IPv6 leaves over LTE, not over the dead wlan0" leads6_over wwan0
upstream_alive wlan0
wait_for 60 "wlan0 is healthy again" state wlan0 ITFUP_SS
wait_for 5 "IPv6 leaves over it" leads6_over wlan0

# A family goes and comes while the link is in use.
ip -n device address add 2001:db8:1::2/64 dev eth0
ip -n device -6 route add default via 2001:db8:1::1 dev eth0 metric 10
wait_for 5 "IPv6 comes: eth0 has both" in_use6 eth0
ip -n device -4 address flush dev eth0
wait_for 10 "IPv4 goes, and eth0 is still in use or given up at once" leads_over wlan0
unplug wlan0
wait_for 5 "wlan0 is pulled: IPv4 leaves over LTE" leads_over wwan0
wait_for 5 "IPv6 over eth0" in_use6 eth0
check "status shows both families" status_has '^ +IPv4 over wwan0, IPv6 over eth0$'
