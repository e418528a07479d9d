#!/bin/sh
# A daemon that hangs (SIGSTOP) is killed by the kernel within 12 s; one that works is not killed.
# takes 30 s
. "$(dirname "$0")/lib.sh"

begin
stays 13 "a working daemon lives" connmgr_runs
kill -STOP "$CONNMGR_PID"
stays 5 "a stopped one has its time" connmgr_runs
wait_for 7 "then it is dead" not connmgr_runs
connmgr_runs && exit 1 # there is nothing to wait for
status=0
wait "$CONNMGR_PID" || status=$?
check "killed by SIGKILL" test "$status" = 137
