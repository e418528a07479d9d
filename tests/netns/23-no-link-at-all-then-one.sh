#!/bin/sh
# Start without any link. Then one comes up, then none is left, then another comes up.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
for link in eth0 wlan0 wwan0; do unplug "$link"; done
start_connmgr
nothing_chosen() { [ "$(switches)" = 0 ]; }
stays 3 "nothing is chosen" nothing_chosen
check "it runs" connmgr_runs
plug wlan0
wait_for 3 "wlan0 comes: it is in use" in_use wlan0
wait_for 3 "wlan0 comes: it is confirmed" state wlan0 ITFUP_SS
unplug wlan0
wait_for 5 "no link is left: wlan0 counts as down" state wlan0 ITFDOWN_SU
check "it runs" connmgr_runs
plug eth0
wait_for 3 "eth0 comes: it is in use" in_use eth0
wait_for 3 "eth0 comes: it is confirmed" state eth0 ITFUP_SS
