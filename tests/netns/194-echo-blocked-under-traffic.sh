#!/bin/sh
# A network passes the application's TCP, but neither the echo service nor ping. Only a probe can tell it from
# a working one (a portal answers TCP, too), and each link is probed anew after 60 s, whatever its traffic.
# Then Wi-Fi is in use, and the application hardly notices. `make soak-tests` also tests a network that passes ping:
# that needs three such probes.
# takes 80 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak "all" "all ping"
gap=3000 # the processors are shared with the tests beside this one
[ -z "${SOAK:-}" ] || gap=1000
lab_up
nsenter --net=/run/netns/cloud "$LABTOOL" echo 443 "$LAB/echo-mode" >"$LAB/echo443.log" 2>&1 &
poll 10 grep -q listening "$LAB/echo443.log"
for blocked in $HOW_MUCH; do
    start_connmgr
    wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled
    application tcp 443
    before=$(moves)
    rule eth0 -A FORWARD -p tcp --dport 80 -j DROP
    [ "$blocked" = ping ] || { rule eth0 -A FORWARD -p icmp -j DROP; rule eth0 -A FORWARD -p icmpv6 -j DROP; }
    began=$(now)
    if [ "$blocked" = all ]; then limit=66; else limit=84; fi
    wait_for "$limit" "$blocked: wlan0 is in use within $limit s" in_use wlan0
    took=$(($(now) - began))
    if [ "$blocked" = all ]; then after=ITFUP_SF; else after=ITFUP_SU; fi
    wait_for 2 "$blocked: after $((took / 100)) s; eth0 is $after" state eth0 "$after"
    talks_on() { tail -n 1 "$LAB/talk" | awk -v now="$(now)" '/ answer/ { exit !(now * 10000 - $1 < 1000000) } { exit 1 }'; }
    wait_for 3 "$blocked: the application talks on" talks_on
    check "$blocked: it was without an answer for $(longest_gap) ms, at most $gap" test "$(longest_gap)" -le "$gap"
    stays 10 "$blocked: nobody goes back, though eth0 is full of evidence or was" in_use wlan0
    check "$blocked: one move" test "$(moves)" = $((before + 1))
    application_ends
    stop_connmgr
    upstream_alive eth0
done
check "LTE was never touched" lte_untouched
