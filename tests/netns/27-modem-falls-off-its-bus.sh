#!/bin/sh
# LTE is in use and its device vanishes, comes back, and is renamed meanwhile.
# takes 30 s
. "$(dirname "$0")/lib.sh"

lab_up
unplug eth0
unplug wlan0
start_connmgr
wait_for 15 "LTE is in use" in_use wwan0
modem_off
wait_for 5 "the modem is gone: it counts as down" state wwan0 ITFDOWN_SU
check "it runs" connmgr_runs
modem_on
wait_for 5 "the modem is back: LTE is in use" in_use wwan0
ip -n device link set wwan0 down name modem7
wait_for 5 "renamed: it counts as down" state wwan0 ITFDOWN_SU
ip -n device link set modem7 name wwan0
configure wwan0
wait_for 5 "its own name again: LTE is in use" in_use wwan0
