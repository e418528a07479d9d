#!/bin/sh
# Start with all three links up: Ethernet is chosen, Wi-Fi is confirmed too, and LTE carries no byte.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
check "IPv4 leads over eth0" in_use eth0
check "IPv6 leads over eth0" in_use6 eth0
check "the log says so" log_has '^<[0-7]> ?in use: eth0'
check "LTE counts as working without a probe" state wwan0 ITFUP_SS
stays 20 "eth0 stays in use" in_use eth0
check "one decision" test "$(switches)" = 1
check "LTE was never touched" lte_untouched
