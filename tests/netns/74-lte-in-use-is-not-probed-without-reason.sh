#!/bin/sh
# LTE is in use and idle: not a byte. With --wan-probe always it is probed like the others.
# takes 60 s
. "$(dirname "$0")/lib.sh"

lab_up
unplug eth0
unplug wlan0
start_connmgr --idle 4
wait_for 15 "LTE is in use" in_use wwan0
LAB_LTE=$(bytes wwan0)
stays 30 "no byte leaves" lte_untouched
stop_connmgr
start_connmgr --idle 4 --wan-probe always
wait_for 15 "--wan-probe always: confirmed by a probe" state wwan0 ITFUP_SS
check "--wan-probe always: it was probed" not lte_untouched
