#!/bin/sh
# A dead upstream that answers everything with ICMP errors, from the link's router or from a host behind it:
# they prove nothing, so the link fails.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
# Applications that keep asking cause a stream of such answers.
on device "$LABTOOL" talk tcp 198.18.100.11 80 >"$LAB/talk.tcp" &
on device "$LABTOOL" talk udp 198.18.100.11 80 >"$LAB/talk.udp" &
for mode in unreachable beyond; do
    start_connmgr
    wait_for 5 "$mode: at first eth0 is in use, it and wlan0 are confirmed" settled
    upstream_dead eth0 "$mode"
    wait_for 21.5 "$mode: wlan0 takes over" in_use wlan0
    check "$mode: eth0 counts as failed" state eth0 ITFUP_SF
    check "$mode: status: why wlan0 is in use" \
        status_has '^why +[0-9]+ m?s ago: eth0 failed, wlan0 confirmed by echo$'
    check "$mode: status: what the probe found" status_has '^eth0 +ITFUP_SF for [0-9]+ m?s: no echo within [0-9.]+ ms \('
    # The router limits its errors per second, so the probe may or may not get one.
    check "$mode: events: that neither echo nor ping was answered" events_have \
        ' link +eth0: .* -> ITFUP_SF: no echo within .* \((timed out|[^ ]+:80: No route to host)\), no ping answered$'
    stop_connmgr
    upstream_alive eth0
done
check "LTE was never touched" lte_untouched
