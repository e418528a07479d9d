#!/bin/sh
# Idle with three links for a minute: few wake-ups, little memory, no child processes. The original took 9.9 MB and 1.5
# wake-ups a second, and started scripts all the time.
# takes 70 s
. "$(dirname "$0")/lib.sh"

begin
woken() { awk '$1 == "voluntary_ctxt_switches:" { n += $2 } END { print n }' "/proc/$CONNMGR_PID"/task/*/status; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$CONNMGR_PID/status"; }
# The sandbox numbers processes in sequence, so two of our own a minute apart must have close numbers.
poll 10 log_has '^<[0-7]> ?switched to eth0'
before=$(woken)
sh -c : & first=$!
sleep 60 # what this test is about
sh -c : & second=$!
after=$(woken)
wait "$first" "$second"
check "at most 1.2 wake-ups a second" test $((after - before)) -le 72
check "at most 7 MB" test "$(resident)" -le 7168
check "it starts no processes" test $((second - first)) -le 10
