#!/bin/sh
# LTE is in use because no other link is up. Ethernet comes up: LTE is left at once.
# takes 20 s
. "$(dirname "$0")/lib.sh"

lab_up
unplug eth0
unplug wlan0
start_connmgr
wait_for 15 "LTE is in use" in_use wwan0
plug eth0
wait_for 3 "eth0 comes: it is in use" in_use eth0
wait_for 3 "eth0 comes: it is in use for IPv6" in_use6 eth0
wait_for 3 "eth0 comes: it is confirmed" state eth0 ITFUP_SS
