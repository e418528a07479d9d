#!/bin/sh
# Thousands of questions a second while replies are held: none is lost. If the daemon is killed, the kernel
# bypasses it at once. If it is stopped, the kernel kills it within 12 s, whether one reply waits or many. The
# next daemon holds replies again. With both variants of iptables.
# takes 65 s, busy
. "$(dirname "$0")/lib.sh"
hold_only
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
use_variant nft
# rate QUESTIONS_PER_SECOND SECONDS FROM: every other name is whitelisted.
rate() { on device "$LABTOOL" rate 198.18.100.55 n#.fresh.example n#.foreign.example "$@" >"$LAB/rate"; cat "$LAB/rate"; }
quick_again() { on device timeout 5 "$LABTOOL" resolve 198.18.100.55 "n$1.foreign.example"; }

lockdown --dns hold
rate 5000 2 1 >"$LAB/last"
check "5,000 questions a second: no reply is lost" grep ' asked, 0 lost,' "$LAB/rate"
# Parallel tests compete for the processors. bench.sh shows that no reply takes longer.
# shellcheck disable=SC2016  # awk's
check "nor are they late by seconds" awk '{ for (i = 1; i < NF; i++) if ($i == "p99") exit !($(i + 1) < 4000) }' "$LAB/rate"

kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>/dev/null || :
check "killed: questions are answered at once" quick_again 20001
lockdown --dns hold
check "started again: no first connection is lost" none_lost device 100 21001

nsenter --net=/run/netns/device "$LABTOOL" rate 198.18.100.55 n#.fresh.example n#.foreign.example 5000 14 30000 >"$LAB/storm" 2>&1 &
storm=$!
kill -STOP "$CONNMGR_PID"
began=$(now)
wait_for 13 "stopped under load: it ends" not connmgr_runs
check "within 15 s, 12 on a machine that has time" test $(($(now) - began)) -le 1500
check "questions are answered again" quick_again 20002
kill "$storm" 2>/dev/null || :
wait "$storm" "$CONNMGR_PID" 2>/dev/null || :

lockdown --dns hold
kill -STOP "$CONNMGR_PID"
began=$(now)
wait_for 13 "stopped, with one question a second: they are answered again" quick_again 20003
check "within 15 s, 12 on a machine that has time" test $(($(now) - began)) -le 1500
wait "$CONNMGR_PID" 2>/dev/null || :
lockdown --dns hold
check "started again: no first connection is lost" none_lost device 100 22001
stop_connmgr || :

unlock
use_variant legacy
lockdown --dns hold
check "legacy: no first connection is lost" none_lost device 100 23001
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>/dev/null || :
check "legacy, killed: questions are answered at once" quick_again 20004
lockdown --dns hold
check "legacy, started again: no first connection is lost" none_lost device 100 24001
kill -STOP "$CONNMGR_PID"
wait_for 15 "legacy, stopped: questions are answered again" quick_again 20005
wait "$CONNMGR_PID" 2>/dev/null || :
lockdown --dns hold
check "legacy, started again: no first connection is lost" none_lost device 100 25001
