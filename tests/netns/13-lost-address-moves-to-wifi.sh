#!/bin/sh
# Ethernet loses its addresses: Wi-Fi takes over, not LTE. When they return, Ethernet is used again.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
unconfigure eth0
wait_for 5 "wlan0 takes over, IPv4" in_use wlan0
wait_for 5 "wlan0 takes over, IPv6" in_use6 wlan0
wait_for 5 "the log says so" log_has '^<[0-7]> ?in use: wlan0'
wait_for 5 "the network works again" on device ping -c 1 -W 2 198.18.100.8
stays 3 "wlan0 stays in use" in_use wlan0
configure eth0
wait_for 20 "eth0 is chosen again" in_use eth0
wait_for 5 "eth0 is chosen again, IPv6" in_use6 eth0
check "LTE was never touched" lte_untouched
