#!/bin/sh
# attrd starts late, sends nonsense, hangs, closes and restarts: connections are managed all the same, and
# whenever attrd is back it gets the current values.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
begin
start_attrd
wait_for 12 "attrd comes after the daemon: the daemon finds it" log_has 'attrd: connected'
wait_for 5 "and answers" is 65008 00
check "status: attrd is connected" status_has '^attrd +connected$'

for nonsense in length-7 length-65535 body-too-long unknown-type unknown-code unasked-answer set-too-big; do
    tell_attrd "nonsense $nonsense"
    wait_for 15 "nonsense ($nonsense): it goes on, or comes back" is 65008 00
done

connections() { grep -c 'attrd: connected' "$LAB/connmgr.log"; }
check "events: it spoke nonsense" events_have ' attrd +attrd: sends invalid messages, retrying$'

before=$(connections)
more() { [ "$(connections)" -gt "$before" ]; }
tell_attrd close
wait_for 15 "the connection is closed: it comes back" more
check "events: who closed it" events_have ' attrd +attrd: has closed the connection, retrying$'

tell_attrd hang
unplug eth0
wait_for 1 "attrd hangs: wlan0 takes over as ever" in_use wlan0
tell_attrd resume
wait_for 15 "attrd goes on: it learns of it" is 65008 01

before=$(connections)
tell_attrd leave
unplug wlan0
wait_for 1 "attrd is gone: LTE takes over as ever" in_use wwan0
check "status: attrd is gone" status_has '^attrd +(has closed the connection|cannot connect \(.*\)), retrying$'
tell_attrd return
wait_for 15 "attrd is back: so is the connection" more
listen 65008 65059
wait_for 5 "it knows what happened meanwhile" is 65008 02
check "the daemon runs" connmgr_runs
