#!/bin/sh
# Two minutes after the cable was pulled, the device has not gone back to Ethernet. The original did after 29
# to 40 s, and stayed there, because it took a connect that timed out for a success.
# takes 125 s
. "$(dirname "$0")/lib.sh"

begin
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
stays 120 "wlan0 stays in use" in_use wlan0
check "two decisions" test "$(switches)" = 2
check "eth0 counts as down" state eth0 ITFDOWN_SU
check "LTE was never touched" lte_untouched
