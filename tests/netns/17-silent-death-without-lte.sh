#!/bin/sh
# A silent death on a device without LTE: the original never switched then. The router itself continues to
# send to the device, which proves nothing.
# takes 25 s
. "$(dirname "$0")/lib.sh"

lab_up
modem_off
on r-eth ping -q -i 0.5 198.18.1.2 >"$LAB/ping" &
on r-eth ping -q -i 0.5 2001:db8:1::2 >"$LAB/ping6" &
start_connmgr
wait_for 5 "eth0 is in use, wlan0 is confirmed" settled
upstream_dead eth0
wait_for 21.5 "wlan0 takes over" in_use wlan0
