#!/bin/sh
# The gateway itself is gone, while a switch keeps the carrier: the device's own kernel answers its probes
# with "host unreachable", which does not count as an answer.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
ip -n r-eth address flush dev lan
wait_for 21.5 "wlan0 takes over" in_use wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
check "LTE was never touched" lte_untouched
