#!/bin/sh
# Nothing behind Ethernet's router answers any more, but the carrier stays: Wi-Fi takes over, and stays. The
# original moved to LTE although Wi-Fi worked, and spent half of the next minute on the dead link.
# takes 100 s
. "$(dirname "$0")/lib.sh"

begin
upstream_dead eth0
wait_for 21.5 "wlan0 takes over" in_use wlan0
wait_for 5 "wlan0 takes over, IPv6" in_use6 wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
stays 60 "wlan0 stays in use, no flapping" in_use wlan0
check "two decisions" test "$(switches)" = 2
upstream_alive eth0
wait_for 50 "eth0 is chosen again" in_use eth0
check "LTE was never touched" lte_untouched
