#!/bin/sh
# The uplink of eth0 is full: each packet waits in the router's queue for up to 1.5 s. An application talks, over TCP or with
# DNS questions, and the sender that fills the uplink gets answers or none: no switch. When it has drained, a silent death is
# found as soon as before.
# takes 55 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 5 600 # seconds with a full queue, for each kind of traffic
begin
# A token bucket. 1214 bytes a packet: 2 Mbit/s are 206 of them a second, and what is more is dropped. With small packets the
# queue would never have room for a ping.
on r-eth tc qdisc add dev wan root tbf rate 2mbit burst 5k latency 1500ms
# Prints the packets in its queue: 309 have room.
queue() { on r-eth tc -s qdisc show dev wan | sed -n 's/.* backlog [^ ]* \([0-9]*\)p.*/\1/p'; }
is_full() { [ "$(queue)" -ge 220 ]; }
is_empty() { [ "$(queue)" -lt 10 ]; }

# full DESC APPLICATION: first 1000 packets a second until the queue is full, then a few more than leave it.
full() {
    application "$2"
    on device "$LABTOOL" flood 198.18.100.11 9 1000 0.4 1172 >"$LAB/last"
    nsenter --net=/run/netns/device "$LABTOOL" flood 198.18.100.11 9 210 3600 1172 >"$LAB/last" &
    full_flood=$!
    wait_for 3 "$1: a packet waits for over a second" is_full
    stays "$HOW_MUCH" "$1: eth0 stays in use" in_use eth0
    check "$1: a packet still does" is_full
    kill "$full_flood"
    wait "$full_flood" 2>"$LAB/last" || :
    application_ends
    check "$1: the application had answers, $(longest_gap) ms apart" grep -q ' answer' "$LAB/talk"
    check "$1: no link counts as failed" not log_has ITFUP_SF
    check "$1: nobody moved" test "$(moves)" = 1
}
full "TCP, the sender is answered" tcp
full "DNS, the sender is answered" dns
on cloud iptables -A INPUT -p udp --dport 9 -j DROP
full "TCP, the sender is not answered" tcp
full "DNS, the sender is not answered" dns

wait_for 10 "it drains" is_empty
application tcp
upstream_dead eth0
wait_for 8 "a silent death is found" in_use wlan0
check "by an early probe" log_has 'probe of eth0: started: sent something and heard nothing for '
application_ends
check "LTE was never touched" lte_untouched
