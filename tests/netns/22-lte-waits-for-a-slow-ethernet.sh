#!/bin/sh
# At boot Ethernet takes a few seconds to get its carrier: LTE waits for it and costs nothing.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
unplug eth0
unplug wlan0
start_connmgr
sleep 4 # Ethernet takes this long
plug eth0
wait_for 3 "eth0 is in use" in_use eth0
stays 5 "eth0 stays in use" in_use eth0
check "LTE was never touched" lte_untouched
