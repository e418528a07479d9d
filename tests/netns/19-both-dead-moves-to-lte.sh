#!/bin/sh
# Ethernet and Wi-Fi die silently at the same time: LTE takes over. When Ethernet's upstream works again, LTE
# is left at once.
# takes 45 s
. "$(dirname "$0")/lib.sh"

begin
upstream_dead eth0
upstream_dead wlan0
wait_for 25 "LTE takes over" in_use wwan0
wait_for 5 "LTE takes over, IPv6" in_use6 wwan0
wait_for 5 "the network works again" on device ping -c 1 -W 2 198.18.100.8
upstream_alive eth0
wait_for 14 "eth0 is chosen again" in_use eth0
check "it was confirmed before" state eth0 ITFUP_SS
