#!/bin/sh
# A second connmgr is refused with a message, and the first continues.
# takes 10 s
. "$(dirname "$0")/lib.sh"

begin
first=$CONNMGR_PID
mv "$LAB/connmgr.log" "$LAB/first.log" # the first one still writes to it
spawn_connmgr
poll 10 not connmgr_runs || kill -KILL "$CONNMGR_PID"
status=0
wait "$CONNMGR_PID" || status=$?
check "the second ends, not with 0" test "$status" != 0 -a "$status" != 137
check "it says why" log_has 'already|another|second'
CONNMGR_PID=$first
mv "$LAB/first.log" "$LAB/connmgr.log"
check "the first runs" connmgr_runs
unplug eth0
wait_for 3 "the first works: wlan0 takes over" in_use wlan0
