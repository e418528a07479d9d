#!/bin/sh
# A silent death on a device without LTE: the original never switched then.
# takes 25 s
. "$(dirname "$0")/lib.sh"

lab_up
modem_off
start_connmgr
wait_for 5 "eth0 is in use, wlan0 is confirmed" settled
upstream_dead eth0
wait_for 21.5 "wlan0 takes over" in_use wlan0
