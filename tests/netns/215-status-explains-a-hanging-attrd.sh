#!/bin/sh
# attrd takes values and does not confirm them, then does not answer at all, then refuses: status and events
# report it in exactly these words; JSON is valid in each of these states.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

start_attrd
begin
wait_for 12 "status: connected" status_has '^attrd +connected$'
check "JSON: valid" status_is_valid

tell_attrd "sets silent"
unplug eth0
wait_for 20 "sets are taken in silence: events say which value was not confirmed" \
    events_have ' attrd +attrd: did not confirm attribute (65008|65059), retrying$'
wait_for 20 "status says so" status_has '^attrd +did not confirm attribute (65008|65059|65022|65024|65037), retrying$'
check "the log says so" log_has '^<6> ?attrd: did not confirm attribute (65008|65059), retrying$'

tell_attrd "open silent"
wait_for 30 "opens are taken in silence: status says so" status_has '^attrd +does not answer, retrying$'
check "events say so" events_have ' attrd +attrd: does not answer, retrying$'
check "JSON: valid" status_is_valid
not_connected() { ask status --json | grep -q '"attrd":{"connected":false,"words":"does not answer, retrying"}'; }
check "JSON: the same words" not_connected

tell_attrd "open refuse 5"
wait_for 30 "opens are refused: status says so" status_has '^attrd +refuses connmgr with status 5, retrying$'
check "events say so" events_have ' attrd +attrd: refuses connmgr with status 5, retrying$'

tell_attrd "open answer" "sets answer"
wait_for 30 "attrd is well again: status says so" status_has '^attrd +connected$'
wait_for 15 "and it knows which link is in use" is 65008 01
check "the daemon never waited for it: wlan0 is in use" in_use wlan0
