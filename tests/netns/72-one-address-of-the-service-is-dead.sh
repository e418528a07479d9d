#!/bin/sh
# Only one of the echo service's addresses answers: that one confirms.
# takes 10 s
. "$(dirname "$0")/lib.sh"

for dead in 10 11; do
    [ "$dead" = 11 ] || lab_up
    for link in eth0 wlan0; do
        upstream_alive "$link"
        on "$(router_of "$link")" iptables -w -A FORWARD -d "198.18.100.$dead" -j DROP
    done
    start_connmgr
    wait_for 4 "198.18.100.$dead is dead: eth0 and wlan0 are confirmed" settled
    stop_connmgr
done
