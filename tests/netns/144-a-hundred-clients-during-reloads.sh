#!/bin/sh
# A hundred clients with open connections, and strangers who try all the time, while the daemon reloads a whitelist that
# changes, is flushed, and is killed: never open, never cut off.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
answer one.example 198.18.101.1
answer x.wild.example 198.18.101.3
list() { printf 'echo.example\none.example\n*.wild.example\n%s\n' "$@" >"$LAB/etc/whitelist"; }
list 198.18.101.4
start_connmgr --resolver 198.18.100.54
wait_for 5 "locked" log_has 'locked in'
wait_for 5 "one.example is open" reaches 198.18.101.1
resolves x.wild.example >"$LAB/last"
pids=
n=0
while [ "$n" -lt 99 ]; do
    for address in 198.18.101.1 198.18.101.3 198.18.100.10; do
        n=$((n + 1))
        nsenter --net=/run/netns/device "$LABTOOL" talk tcp $address 80 200 >"$LAB/talk.$n" 2>&1 &
        pids="$pids $!"
    done
done
all_answered() { for file in "$LAB"/talk.*; do tail -n 1 "$file" | grep -q ' answer$' || return; done; }
wait_for 20 "99 clients are answered" all_answered
# New connections, too; and a stranger, to the device and from it: one packet that gets through is one too many.
while [ -e "$LAB/etc" ]; do reaches 198.18.101.3 0.9 || echo "cut off at $(now)"; done >"$LAB/hundredth" 2>&1 &
pids="$pids $!"
for host in cloud device; do
    nsenter --net=/run/netns/$host socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard.$host,creat,append" &
    pids="$pids $!"
done
poll 10 test -e "$LAB/heard.cloud" -a -e "$LAB/heard.device"
nsenter --net=/run/netns/device "$LABTOOL" flood 198.18.100.8 7003 500 60 >"$LAB/flood.out" 2>&1 &
pids="$pids $!"
nsenter --net=/run/netns/cloud "$LABTOOL" flood 198.18.1.2 7003 500 60 >"$LAB/flood.in" 2>&1 &
pids="$pids $!"

for n in 1 2 3 4 5 6 7 8; do
    case $((n % 4)) in
        0) list 198.18.101.4 198.18.101.5 ;;
        1) list 198.18.101.0/25 ;;
        2) list 198.18.101.3 '#' ;;
        3) list 198.18.101.1 x.wild.example ;;
    esac
    ask reload >>"$LAB/reloads" 2>&1 || not_ok "reload $n failed: $(cat "$LAB/reloads")"
done
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>"$LAB/last" || :
start_connmgr --resolver 198.18.100.54
for n in 1 2 3; do ask reload >>"$LAB/reloads" 2>&1 || not_ok "reload failed: $(cat "$LAB/reloads")"; done
wait_for 5 "all are answered still" all_answered
check "nobody was cut off" sh -c "! grep -E 'lost|failed' $LAB/talk.*"
check "no new connection failed" test ! -s "$LAB/hundredth"
check "not one packet of a stranger came in" test ! -s "$LAB/heard.device"
check "not one packet to a stranger went out" test ! -s "$LAB/heard.cloud"
# shellcheck disable=SC2086  # a list
kill $pids
