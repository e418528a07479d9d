#!/bin/sh
# attrd dies when it writes to a connection that its peer has closed. connmgr ends its connection so that attrd
# survives: after 5 s without an answer, before its open is answered, and when the daemon ends. The stand-in dies as
# attrd does.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
start_attrd
begin
wait_for 12 "the daemon finds attrd" log_has 'attrd: connected'

attrd_runs() { read -r _ _ lab_status _ 2>/dev/null <"/proc/$ATTRD_PID/stat" && [ "$lab_status" != Z ]; }
attrd_saw() { grep -qE -- "$1" "$LAB/attrd.log"; }
seen=0
# attrd continues, and has read all our messages to the end.
closed() { [ "$(grep -cE 'closed IPC.CONNMGR: (it closed|Connection reset)' "$LAB/attrd.log")" -gt "$seen" ]; }
goes_on() {
    seen=$(grep -cE 'closed IPC.CONNMGR: (it closed|Connection reset)' "$LAB/attrd.log" || :)
    kill -CONT "$ATTRD_PID"
    wait_for 5 "$1: attrd reads to the end" closed
    check "$1: attrd runs" attrd_runs
    attrd_runs || start_attrd
}

kill -STOP "$ATTRD_PID"
unplug wlan0
wait_for 8 "attrd stops, a change is not confirmed" log_has 'attrd: did not confirm attribute 65024'
goes_on "after a change"
wait_for 15 "it learns of the change" is 65024 00

kill -STOP "$ATTRD_PID"
plug wlan0
wait_for 30 "attrd stops, and the state of wlan0 changes" state wlan0 ITFUP_SS
began=$(now)
stop_connmgr || :
check "the daemon ends without waiting for attrd" [ $(($(now) - began)) -lt 300 ]
goes_on "after the daemon has ended"

kill -STOP "$ATTRD_PID"
start_connmgr
wait_for 8 "attrd stops before the daemon connects" log_has 'attrd: does not answer'
stop_connmgr || :
goes_on "before an open"

start_connmgr
wait_for 15 "the next daemon finds attrd" log_has 'attrd: connected'
wait_for 5 "and answers" is 65024 02
check "attrd found nothing strange" not attrd_saw ' (unasked|nonsense|cut) '
