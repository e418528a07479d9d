#!/bin/sh
# Cable and radio are lost one after the other, and return in reverse order. The original stayed on LTE when
# Ethernet returned.
# takes 40 s
. "$(dirname "$0")/lib.sh"

begin
stays 10 "eth0 stays in use while LTE waits for slower links" in_use eth0
unplug eth0
wait_for 3 "without eth0: wlan0" in_use wlan0
unplug wlan0
wait_for 3 "without wlan0: LTE" in_use wwan0
wait_for 5 "the network works over LTE" on device ping -c 1 -W 2 198.18.100.8
plug wlan0
wait_for 3 "wlan0 is back: LTE is left at once" in_use wlan0
LAB_LTE=$(bytes wwan0)
plug eth0
wait_for 20 "eth0 is back: it is chosen again" in_use eth0
check "LTE is not used any more" lte_untouched
