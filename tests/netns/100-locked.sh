#!/bin/sh
# Locked: the device and the host behind its bridge reach whitelisted addresses and nothing else. No other
# host reaches them: not by TCP, UDP or ICMP, not with unsolicited DNS or NTP answers, not even from a
# whitelisted address.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.100.8 (a stranger), .10 (a friend)
# takes 130 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
# Add routes to the host, so that packets from outside could reach it.
ip -n r-eth route add 198.18.50.0/24 via 198.18.1.2
ip -n r-eth route add 2001:db8:50::/64 via 2001:db8:1::2
ip -n cloud route add 198.18.50.0/24 via 198.18.11.1
ip -n cloud route add 2001:db8:50::/64 via 2001:db8:11::1
ears device
ears host

strangers='198.18.100.8 2001:db8:100::8'
friends='198.18.100.10 2001:db8:100::10'
from_cloud_to_device() { knocks device 198.18.1.2 2001:db8:1::2; }
from_cloud_to_host() { knocks host 198.18.50.2 2001:db8:50::2; }
# shellcheck disable=SC2086  # lists
locked_and_open() {
    unlock
    both $strangers $friends | same "${WITH}not locked: the device reaches all" reached device eth0 $strangers $friends
    both $strangers $friends | same "${WITH}not locked: the host reaches all" reached host lan $strangers $friends
    every_knock | same "${WITH}not locked: the device hears every knock" from_cloud_to_device
    every_knock | same "${WITH}not locked: the host hears every knock" from_cloud_to_host

    lock
    nothing "${WITH}empty whitelist: the device reaches nobody" reached device eth0 $strangers $friends
    nothing "${WITH}empty whitelist: the host reaches nobody" reached host lan $strangers $friends

    admit $friends
    both $friends | same "${WITH}the device reaches the friends alone" reached device eth0 $strangers $friends
    both $friends | same "${WITH}the host reaches the friends alone" reached host lan $strangers $friends
    nothing "${WITH}the device hears no knock" from_cloud_to_device
    nothing "${WITH}the host hears no knock" from_cloud_to_host
    check "${WITH}loopback is open" asked_itself

    banish $friends
    nothing "${WITH}banished: the device reaches nobody" reached device eth0 $friends
    nothing "${WITH}banished: the host reaches nobody" reached host lan $friends
    admit 198.18.100.8/30 2001:db8:100::/64
    both $strangers $friends | same "${WITH}a prefix: the device" reached device eth0 $strangers $friends
    both $strangers $friends | same "${WITH}a prefix: the host" reached host lan $strangers $friends
}
asked_itself() {
    for address in 127.0.0.1 198.18.1.2 '[::1]' '[2001:db8:1::2]'; do
        on device socat -u OPEN:/dev/null "TCP:$address:7001,connect-timeout=1" || return
    done
}

backends locked_and_open
