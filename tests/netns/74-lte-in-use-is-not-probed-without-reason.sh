#!/bin/sh
# LTE is in use and idle: not a byte. With --wan-probe always it is probed like the others. When its upstream dies under an
# application's traffic, it is probed by suspicion, unless --wan-probe never; and as any other, once it has failed and
# nothing else is left.
# takes 90 s
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
stop_connmgr

for value in never suspect; do
    start_connmgr --wan-probe "$value"
    wait_for 15 "--wan-probe $value: LTE is in use" in_use wwan0
    on device "$LABTOOL" talk tcp 198.18.100.11 80 >"$LAB/talk.$value" &
    wait_for 3 "--wan-probe $value: an application gets its answers" grep -q ' answer' "$LAB/talk.$value"
    upstream_dead wwan0
    if [ "$value" = never ]; then
        stays 12 "never: LTE counts as confirmed" state wwan0 ITFUP_SS
        check "never: it was not probed" test "$(probes wwan0)" = 0
        upstream_alive wwan0
        stop_connmgr
    fi
done
wait_for 9 "suspect: it counts as failed" state wwan0 ITFUP_SF
probed_again() { [ "$(probes wwan0)" -ge 3 ]; }
wait_for 20 "nothing else is left: it is probed again" probed_again
upstream_alive wwan0
wait_for 15 "its upstream lives again: it is confirmed" state wwan0 ITFUP_SS
