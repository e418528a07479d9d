#!/bin/sh
# The interface does not exist when the daemon starts.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
ip -n device link delete eth0
start_connmgr
wait_for 5 "wlan0 is in use" in_use wlan0
wait_for 3 "wlan0 is confirmed" state wlan0 ITFUP_SS
new_link eth0
wait_for 5 "eth0 appears: it is in use" in_use eth0
wait_for 5 "eth0 appears: it is in use for IPv6" in_use6 eth0
wait_for 3 "eth0 appears: it is confirmed" state eth0 ITFUP_SS
