#!/bin/sh
# A link over which answers from the cloud arrive is not probed; a silent one is, after the limit of its kind.
# takes 50 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
# Not "on": $! must be the process itself.
nsenter --net=/run/netns/device "$LABTOOL" talk udp 198.18.100.11 80 500 >"$LAB/talk" &
talk=$!
wait_for 5 "an application gets its answers" grep -q answer "$LAB/talk"
eth=$(probes eth0) wlan=$(probes wlan0)
probed() { [ "$(probes wlan0)" -ge $((wlan + 3)) ]; }
wait_for 40 "wlan0, idle, is probed three times" probed
check "eth0, busy, is not" test "$(probes eth0)" -le "$((eth + 1))" # one may have been running
stop_connmgr
kill "$talk"

start_connmgr --idle ethernet=2,wifi=60
wait_for 20 "a limit of 2 s for Ethernet, of 60 s for Wi-Fi: both are confirmed" settled
eth=$(probes eth0) wlan=$(probes wlan0)
six() { [ "$(probes eth0)" -ge $((eth + 6)) ]; }
wait_for 40 "eth0, idle, is probed six times" six
check "wlan0 meanwhile at most once" test "$(probes wlan0)" -le "$((wlan + 1))"
