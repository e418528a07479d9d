#!/bin/sh
# IPv6 is switched with IPv4, and its traffic goes where the route leads.
# takes 20 s
. "$(dirname "$0")/lib.sh"

begin
stays 10 "eth0 stays in use while LTE waits for slower links" in_use eth0
leaves_over() { ip -n device -6 route get 2001:db8:100::8 | grep -q "dev $1 "; }
check "IPv6 leaves over eth0" leaves_over eth0
wait_for 5 "IPv6 reaches the cloud" on device ping -c 1 -W 2 2001:db8:100::8
unplug eth0
wait_for 5 "carrier lost: IPv6 leaves over wlan0" leaves_over wlan0
wait_for 5 "IPv6 reaches the cloud" on device ping -c 1 -W 2 2001:db8:100::8
unplug wlan0
wait_for 5 "carrier lost: IPv6 leaves over wwan0" leaves_over wwan0
wait_for 5 "IPv6 reaches the cloud" on device ping -c 1 -W 2 2001:db8:100::8
