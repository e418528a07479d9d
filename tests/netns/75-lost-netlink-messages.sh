#!/bin/sh
# More netlink messages than the daemon's buffer holds: the lost changes are noticed all the same.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
kill -STOP "$CONNMGR_PID"
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "route add 203.0.113.%d/32 dev wlan0 table %d\n", i % 250, 1000 + i / 250 }' |
    sed 's/203\.0\.113/198.19.0/' | ip -n device -batch -
unplug eth0
ip -n device route flush table 1000
kill -CONT "$CONNMGR_PID"
wait_for 5 "wlan0 takes over" in_use wlan0
check "eth0 counts as down" state eth0 ITFDOWN_SU
plug eth0
wait_for 20 "eth0 is chosen again" in_use eth0
