#!/bin/sh
# A dead upstream whose router answers everything with TCP resets: that proves nothing, the link has failed all the same.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
upstream_dead eth0 reset
# Applications that go on asking bring a stream of such answers.
on device "$LABTOOL" talk tcp 198.18.100.11 80 >"$LAB/talk.tcp" &
on device "$LABTOOL" talk udp 198.18.100.11 80 >"$LAB/talk.udp" &
wait_for 21.5 "wlan0 takes over" in_use wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
check "LTE was never touched" lte_untouched
