#!/bin/sh
# --keep-flows: connections over the old link are left to their applications.
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
begin --keep-flows
on device "$LABTOOL" talk tcp 198.18.100.11 80 >"$LAB/talk" &
wait_for 3 "an application gets its answers" grep -q answer "$LAB/talk"
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
stays 3 "its connection is not ended" not grep -q lost "$LAB/talk"
