#!/bin/sh
# Without an attribute daemon connections are still managed. The original exited.
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --attrd-socket
lab_up
ATTRD="--attrd-socket $LAB/no-such-socket"
start_connmgr
wait_for 5 "eth0 is in use and confirmed" settled
check "status: attrd is missing, and why" status_has '^attrd +cannot connect \(No such file or directory\), retrying$'
check "events: the same" events_have ' attrd +attrd: cannot connect \(No such file or directory\), retrying$'
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
