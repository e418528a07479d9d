#!/bin/sh
# A link over which answers from the cloud arrive is not probed; a silent one is.
# takes 35 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
on device "$LABTOOL" talk udp 198.18.100.11 80 500 >"$LAB/talk" &
wait_for 5 "an application gets its answers" grep -q answer "$LAB/talk"
eth=$(probes eth0) wlan=$(probes wlan0)
probed() { [ "$(probes wlan0)" -ge $((wlan + 3)) ]; }
wait_for 40 "wlan0, idle, is probed three times" probed
check "eth0, busy, is not" test "$(probes eth0)" -le "$((eth + 1))" # one may have been running
