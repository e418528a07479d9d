#!/bin/sh
# The gateway itself is gone, while a switch keeps the carrier: the device's own kernel says "host unreachable" to its own
# probes, and that is no answer.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
ip -n r-eth address flush dev lan
wait_for 21.5 "wlan0 takes over" in_use wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
check "LTE was never touched" lte_untouched
