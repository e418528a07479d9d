#!/bin/sh
# LTE is in use and idle: connmgr sends no byte. With --wan-probe always it is probed like the others. When
# its upstream dies under an application's traffic, suspicion causes a probe, unless --wan-probe never. Once
# it has failed and no other link is left, it is probed like any other.
# takes 90 s
. "$(dirname "$0")/lib.sh"

# Prints the bytes over wwan0.
# shellcheck disable=SC2016  # for awk
both_ways() { on device awk '$1 == "wwan0:" { print $2 + $10 }' /proc/net/dev; }

lab_up
unplug eth0
unplug wlan0
start_connmgr --idle 4
wait_for 15 "LTE is in use" in_use wwan0
LAB_LTE=$(bytes wwan0)
stays 30 "no byte leaves" lte_untouched
stop_connmgr
LAB_LTE=$(both_ways)
start_connmgr --idle 4 --wan-probe always
wait_for 15 "--wan-probe always: confirmed by a probe" state wwan0 ITFUP_SS
check "--wan-probe always: it was probed" not test "$(both_ways)" = "$LAB_LTE"
probed_thrice() { [ "$(probes wwan0)" -ge 3 ]; }
wait_for 20 "--wan-probe always: and again" probed_thrice
# A tun device counts bytes of IP, and carries only probes here.
counted() {
    counted=$(ask status --json | sed 's/.*"name":"wwan0"//; s/.*"probe_bytes":\([0-9]*\).*/\1/')
    kernel=$(($(both_ways) - LAB_LTE))
    echo "$counted by connmgr, $kernel by the kernel"
    [ "$counted" -ge $((kernel * 8 / 10)) ] && [ "$counted" -le $((kernel * 12 / 10)) ]
}
wait_for 5 "--wan-probe always: what it costs is counted" counted
check "--wan-probe always: and shown" status_has 'metered; probes [1-9]'
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
