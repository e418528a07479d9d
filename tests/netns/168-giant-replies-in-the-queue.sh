#!/bin/sh
# Replies of 65,507 bytes, more than the queue holds, to a daemon that does not read them: their memory in the
# kernel is bounded, replies without room pass unseen, and the daemon does not grow.
# takes 10 s
. "$(dirname "$0")/lib.sh"
hold_only
. "$NETNS_DIR/names.sh"

lab_up
names_up
use_variant nft
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$CONNMGR_PID/status"; }
# queued: prints the packets in the queue. buffered: prints the bytes in the daemon's netlink socket, as the
# kernel counts them.
# shellcheck disable=SC2016 # awk's
queued() { on device awk '{ print $3 }' /proc/net/netfilter/nfnetlink_queue; }
buffered() { on device ss -f netlink -anm | sed -n 's/.*skmem:(r\([0-9]*\),.*/\1/p' | sort -n | tail -n 1; }
waits() { [ "$(queued)" -gt 8 ] && [ "$(buffered)" -gt 500000 ]; }
all_answered() { grep -q "^$1 asked, 0 lost," "$LAB/rate"; }

lockdown --dns hold
before=$(resident)
kill -STOP "$CONNMGR_PID"
nsenter --net=/run/netns/device "$LABTOOL" rate 198.18.100.55 u#.fresh.example u#.foreign.example 200 1 1 >"$LAB/rate" 2>&1 &
asking=$!
wait_for 5 "many wait" waits
check "never more than 64" test "$(queued)" -le 64
check "the daemon's socket keeps within its 2 MiB" test "$(buffered)" -le $((2 << 20))
kill -CONT "$CONNMGR_PID"
wait "$asking" || :
wait_for 5 "then nothing waits" queue_is_empty
check "no reply was lost: all were let go, or had passed" all_answered 200
check "the daemon is not the larger for it" test $(($(resident) - before)) -le 1500
