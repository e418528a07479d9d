#!/bin/sh
# A dead upstream whose router answers everything with TCP resets: resets prove nothing, so the link fails.
# takes 10 s
. "$(dirname "$0")/lib.sh"

begin
upstream_dead eth0 reset
# Applications that keep asking cause a stream of such answers.
on device "$LABTOOL" talk tcp 198.18.100.11 80 >"$LAB/talk.tcp" &
on device "$LABTOOL" talk udp 198.18.100.11 80 >"$LAB/talk.udp" &
wait_for 21.5 "wlan0 takes over" in_use wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
check "status: why wlan0 is in use" status_has '^why +[0-9]+ m?s ago: eth0 failed, wlan0 confirmed by echo$'
check "status: what the probe found" status_has '^eth0 +ITFUP_SF for [0-9]+ m?s: no echo within [0-9.]+ ms \((198|\[2001)'
check "events: who refused, and that no ping was answered" \
    events_have ' link +eth0: .* -> ITFUP_SF: no echo within .* \([^ ]+:80: Connection refused\), no ping answered$'
check "LTE was never touched" lte_untouched
