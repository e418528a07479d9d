#!/bin/sh
# 32 exact names, and name servers that are silent: connmgr needs few descriptors. And when it has none left at all, by a limit
# or by clients of its control socket, a switch takes no longer: over netlink, and by the script.
# takes 50 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
FIREWALL=
for i in $(seq 40); do echo "name$i.example"; done >"$LAB/etc/whitelist"
fds() { find "/proc/$CONNMGR_PID/fd" -mindepth 1 2>"$LAB/last.err" | wc -l; }
servers() { for i in 91 92 93 94 95; do echo "nameserver 198.18.100.$i"; done; echo nameserver 2001:db8:100::91; }
servers >"$LAB/resolv.conf"
start_connmgr --dns sniff
wait_for 20 "locked" log_has 'locked in '
wait_for 20 "links are confirmed" settled
most=0
for _ in $(seq 60); do
    count=$(fds)
    [ "$count" -le "$most" ] || most=$count
    pause 0.1
done
echo "most: $most descriptors" >"$LAB/last"
check "at most 100 descriptors ($most) while 40 names ask 7 servers in vain" test "$most" -le 100
stop_connmgr || :
unlock

FIREWALL=-d
took() { sed -nE 's/.*switched to wlan0 in ([0-9.]+) ms.*/\1/p' "$LAB/connmgr.log" | tail -n 1; }
for switch in netlink script; do
    start_connmgr --switch "$switch"
    wait_for 10 "$switch: links are confirmed" settled
    pause 1
    # No descriptor is left: not for a probe, not for a client, not for a script.
    prlimit --pid "$CONNMGR_PID" --nofile="$(fds):"
    ask status >"$LAB/last" 2>&1 &
    unplug eth0
    wait_for 3 "$switch: without descriptors it switches to wlan0" in_use wlan0
    wait_for 3 "$switch: it says so" log_has 'switched to wlan0 in'
    check "$switch: in less than a second ($(took) ms)" test "$(took | cut -d . -f 1)" -lt 1000
    check "$switch: it still runs" connmgr_runs
    prlimit --pid "$CONNMGR_PID" --nofile=256:
    plug eth0
    wait_for 30 "$switch: with descriptors it comes back" in_use eth0
    stop_connmgr || :
done
