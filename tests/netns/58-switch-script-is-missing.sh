#!/bin/sh
# switch_route.sh is missing: the daemon logs that and continues. When the script appears, it is used.
# takes 5 s
. "$(dirname "$0")/lib.sh"

lab_up
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
rm "$SCRIPTS/switch_route.sh"
start_connmgr --switch script
wait_for 3 "it says that the switch failed" log_has '^<[0-7]> ?switching to eth0 failed: '
wait_for 5 "probes go on: wlan0 is confirmed" state wlan0 ITFUP_SS
check "it runs" connmgr_runs
cp "$REPO/scripts/switch_route.sh" "$SCRIPTS/switch_route.sh.new"
mv "$SCRIPTS/switch_route.sh.new" "$SCRIPTS/switch_route.sh"
wait_for 70 "the script appears: eth0 is in use" in_use eth0
