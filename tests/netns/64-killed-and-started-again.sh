#!/bin/sh
# SIGKILL at any moment: a new start works from whatever state was left.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
for after in 0.01 0.05 0.1 0.2 0.5; do
    spawn_connmgr
    sleep "$after" # what this test is about
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    start_connmgr
    wait_for 5 "killed after $after s: the next has eth0 in use, all confirmed" settled
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
done
unplug eth0
start_connmgr
wait_for 3 "killed, eth0 pulled meanwhile: the next has wlan0 in use" in_use wlan0
