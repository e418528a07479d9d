#!/bin/sh
# DHCP clients set the address first and the route some time later, other clients the other way round.
# Whatever the order and the gap, in the end the kernel's default route leads over Ethernet, and the daemon
# says so. The original reported Ethernet while the route was on Wi-Fi, if the gap was 20 ms or more.
# takes 20 s
. "$(dirname "$0")/lib.sh"

lab_up
address() { ip -n device address add 198.18.1.2/24 dev eth0; }
# onlink: the kernel does not know the gateway's network yet.
route() { ip -n device route add default via 198.18.1.1 dev eth0 metric 10 onlink; }
says_in_use() { [ "$(sed -nE 's/^<[0-7]> ?in use: //p' "$LAB/connmgr.log" | tail -n 1)" = "$1" ]; }

for gap in 0 0.005 0.02 0.05 0.1 0.2; do
    for order in "address route" "route address"; do
        unconfigure eth0
        start_connmgr
        poll 10 in_use wlan0
        ${order% *}
        sleep "$gap" # what this test is about
        ${order#* }
        wait_for 5 "$order, $gap s apart: eth0 is in use" in_use eth0
        wait_for 5 "$order, $gap s apart: it says eth0" says_in_use eth0
        wait_for 5 "$order, $gap s apart: it is confirmed" state eth0 ITFUP_SS
        stop_connmgr
    done
done

unconfigure eth0
start_connmgr
poll 10 in_use wlan0
address
stays 2 "an address alone: wlan0 stays in use" in_use wlan0
check "an address alone: it does not say eth0" says_in_use wlan0
route
wait_for 5 "the route comes: eth0 is in use" in_use eth0
