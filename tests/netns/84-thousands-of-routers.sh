#!/bin/sh
# Thousands of routers advertise themselves in the LAN of eth0, as any host there can do. The daemon's memory and work
# do not grow with them, and a cable that is pulled meanwhile is handled. The best router of all is used, the first or
# the last. SOAK=1: 10,000 routers, else 2,000.
# takes 30 s
. "$(dirname "$0")/lib.sh"

routers=2000
[ -z "${SOAK:-}" ] || routers=10000
advertise() { on r-eth python3 "$NETNS_DIR/advertise.py" lan "$@"; }
kernels() { ip -n device -6 route show default dev eth0 proto ra | grep -c fe80::bad: || :; }
has_routers() { [ "$(kernels)" -ge "$1" ]; }
copy() { ip -n device -6 route show default dev eth0 proto 175; }
in_front() { copy | grep "metric 1 " | grep -q "via fe80::bad:$1 "; }
# ticks: the daemon's processor time in hundredths of a second. resident: its memory in kB.
ticks() { awk '{ print $14 + $15 }' "/proc/$CONNMGR_PID/stat"; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$CONNMGR_PID/status"; }

lab_up
ip -n device -6 route flush dev eth0 exact default
advertise 1 bad
wait_for 10 "the kernel has a default of the first router" has_routers 1
start_connmgr
wait_for 10 "eth0 is in use, it and wlan0 are confirmed" settled
check "a copy of the advertised default is in front" in_front bad

before=$(resident) used=$(ticks)
advertise "$routers" 1000
wait_for 30 "the kernel has a default of each of $routers routers" has_routers "$routers"
status_answers() { status_has '^in use +eth0 for '; }
wait_for 10 "the daemon answers" status_answers
used=$(($(ticks) - used)) grown=$(($(resident) - before))
check "it took $used hundredths of a second of a processor, at most one for 20 advertisements" \
    test "$used" -le $((routers / 20 + 20))
check "its memory grew by $grown kB, at most 2,000" test "$grown" -le 2000
check "the copy is that of the first router" in_front bad
check "nothing was restored or switched" not log_has 'restoring the route|^<[0-7]> ?using wlan0'

# A better one among so many.
advertise 1 be57 1800 high
wait_for 10 "a router with a higher preference: the copy is of that one" in_front be57
# A lifetime of 0 may find no room in the kernel's table of neighbours.
ip -n device -6 route del default via fe80::bad:be57 dev eth0 proto ra
wait_for 10 "its route is gone: the copy is of another" not in_front be57
wait_for 10 "eth0 is in front" in_use6 eth0

nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
watch=$!
poll 10 grep -q watching "$LAB/events"
advertise "$routers" 5000 &
flood=$!
more() { [ "$(kernels)" -gt $((routers + 100)) ]; }
poll 30 more || :
ip -n r-eth link set lan down
wait_for 10 "the cable is pulled amid more of them: wlan0 is in use" in_use wlan0
wait_for 10 "by IPv6, too" in_use6 wlan0
kill "$watch"
wait "$watch" "$flood" 2>"$LAB/last" || :
took=$(awk '/link eth0 up no-carrier/ && !began { began = $1 }
    began && /default4 wlan0 metric 0 new/ { print int(($1 - began) / 1000); exit }' "$LAB/events")
# Not a measurement: a busy machine may need a second; a daemon that handles all advertisements first needs many.
check "that took $took ms, at most 3,000" test "${took:-9999}" -le 3000
check "no message of the daemon's is an error" not log_has '^<[0-3]>'
check "the daemon is the same one" connmgr_runs

stop_connmgr || :
ip -n r-eth link set lan up
advertise "$routers" 1000
configure eth0
ip -n device -6 route del default via 2001:db8:1::1 dev eth0
check "'connmgr route' manages them, too" \
    on device "$(connmgr_path)" route eth0 --config-dir "$LAB/etc" --run-dir "$LAB/run"
check "eth0 is in front" in_use6 eth0
