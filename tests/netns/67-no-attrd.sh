#!/bin/sh
# Without an attribute daemon connections are still managed. The original exited.
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --attrd-socket
lab_up
ATTRD="--attrd-socket $LAB/no-such-socket"
start_connmgr
wait_for 5 "eth0 is in use and confirmed" settled
check "status: attrd is missing, and why" status_has '^attrd +not there \(No such file or directory\), trying again$'
check "events: the same" events_have ' attrd +attrd: not there \(No such file or directory\), trying again$'
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
