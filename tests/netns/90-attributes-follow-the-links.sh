#!/bin/sh
# A listener hears every change of the network type and of the interface states, in order, each once.
# takes 5 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
start_attrd
begin
# What the start has announced must be over before the listener comes.
for first in "65059 02" "65024 02" "65008 00"; do
    # shellcheck disable=SC2086 # two words
    wait_for 5 "at first $first" is $first
done
listen 65008 65024 65037 65059

unplug eth0
wait_for 2 "Ethernet is pulled: it is not available, and the network type is WLAN" heard_is "65059 00, 65008 01"
unplug wlan0
expected="65059 00, 65008 01, 65024 00, 65008 02"
wait_for 2 "Wi-Fi too: the network type is WAN" heard_is "$expected"
plug eth0
# LTE costs money: eth0 is used as soon as it is up. Its probe takes about as long as the switch.
before=$expected
back() {
    for expected in "$before, 65059 01, 65059 02, 65008 00" "$before, 65059 01, 65008 00, 65059 02"; do
        ! heard_is "$expected" || return 0
    done
    return 1
}
wait_for 30 "Ethernet is back: up, then confirmed and used" back
unplug eth0
expected="$expected, 65059 00, 65008 02"
wait_for 2 "Ethernet is pulled again: WAN" heard_is "$expected"
on device ip link set wwan0 down
expected="$expected, 65037 00, 65008 ff"
wait_for 2 "no link is left: -1" heard_is "$expected"
stays 2 "nothing is said twice" heard_is "$expected"
