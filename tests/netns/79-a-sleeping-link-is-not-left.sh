#!/bin/sh
# The preferred link is a radio that sleeps: after 3 s without a packet the next one waits for 1.2 s (`make soak-tests`: 1.5 s) until
# the link is awake. Applications ask now and then, over UDP, TCP and not at all, and each meets a sleeping link: no switch. A
# silent death is found all the same.
# takes 75 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 20 600 # seconds for each application
wakes=1200
[ -z "${SOAK:-}" ] || wakes=1500
lab_up
SLEEPS="3000 $wakes" more_link wwan1
printf '%s\n' "ETH_INTERFACE_0='wwan1'" "WIFISTA_INTERFACE_0='wlan0'" >"$LAB/etc/netif_names"
# Without packets for so long it sleeps, and the first one takes so long.
woken() { on device ping -c 1 -W 5 -I wwan1 198.18.100.8 | awk -F '[= ]' -v least=$((wakes - 50)) '/time=/ { slow = $(NF - 1) >= least } END { exit !slow }'; }
# Packets of IPv6 (neighbour discovery, MLD), which the kernel sends at first, keep it awake.
asleep() { sleep 3.5; woken; }
wait_for 20 "the radio sleeps" asleep
check "and is awake then" not woken
start_connmgr --idle 4
wait_for 10 "the radio is in use" in_use wwan1
confirmed() { state wwan1 ITFUP_SS && state wlan0 ITFUP_SS; }
wait_for 10 "it and wlan0 are confirmed" confirmed
stays "$HOW_MUCH" "nobody asks: the radio stays in use" in_use wwan1

# asks TYPE: now and then an application asks a sleeping link.
asks() {
    on device "$LABTOOL" talk "$1" 198.18.100.11 80 4500 >"$LAB/talk" &
    stays "$HOW_MUCH" "$1 now and then: the radio stays in use" in_use wwan1
    check "$1 now and then: there are answers" grep -q ' answer' "$LAB/talk"
}
asks udp
asks tcp
check "no link counts as failed" not log_has ITFUP_SF
check "nobody moved" test "$(moves)" = 1
check "LTE was never touched" lte_untouched

upstream_dead wwan1
wait_for 10 "a silent death is found" in_use wlan0
