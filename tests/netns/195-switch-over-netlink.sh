#!/bin/sh
# The daemon moves the routes itself, over rtnetlink: first the old link's route is copied to its own metric,
# then the route in front is replaced. An implementer's own switch_route.sh is used instead, and --switch
# script uses any.
# takes 10 s
. "$(dirname "$0")/lib.sh"

SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
# This script counts its runs. It still counts as connmgr's own, because it has the line that says so.
sed "2a echo run >>$LAB/script-runs" "$REPO/scripts/switch_route.sh" >"$SCRIPTS/switch_route.sh"

watch() {
    nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" & # not "on": $! must be the watcher
    WATCH_PID=$!
    poll 10 grep -q watching "$LAB/events"
}
unwatch() {
    kill "$WATCH_PID"
    wait "$WATCH_PID" 2>"$LAB/last" || :
}

# steps FAMILY: prints the changes of its default routes in order.
steps() { awk -v family="default$1" '$2 == family { $1 = ""; print substr($0, 2) }' "$LAB/events"; }

begin
watch
unplug eth0
wait_for 3 "carrier loss: wlan0 is in use" in_use wlan0
wait_for 3 "carrier loss: also by IPv6" in_use6 wlan0
unwatch
steps 4 >"$LAB/steps4"
check "carrier loss, IPv4: copied, replaced, then the duplicate deleted" diff - "$LAB/steps4" <<'END2'
default4 eth0 metric 10 new
default4 wlan0 metric 0 new
default4 wlan0 metric 20 gone
END2
steps 6 >"$LAB/steps6"
check "carrier loss, IPv6: the same" diff - "$LAB/steps6" <<'END2'
default6 eth0 metric 10 new
default6 wlan0 metric 1 new
default6 wlan0 metric 20 gone
END2
check "the script has not run" [ ! -e "$LAB/script-runs" ]

ip -n device link set wlan0 down
wait_for 3 "wlan0 set down: wwan0 is in use" in_use wwan0
check "the script has not run" [ ! -e "$LAB/script-runs" ]
stop_connmgr || :

# A script without that line belongs to an implementer.
ip -n device link set wlan0 up
configure wlan0
plug eth0
configure eth0
sed -i '/^# This is connmgr/d' "$SCRIPTS/switch_route.sh"
start_connmgr
wait_for 5 "eth0 is in use again" in_use eth0
check "the implementer's script has run" [ -s "$LAB/script-runs" ]
check "and the log says so" log_has "routes are moved by $SCRIPTS/switch_route.sh, which is not connmgr's own"
stop_connmgr || :

rm "$LAB/script-runs"
cp "$REPO/scripts/switch_route.sh" "$SCRIPTS/switch_route.sh"
sed -i "2a echo run >>$LAB/script-runs" "$SCRIPTS/switch_route.sh"
unplug eth0
start_connmgr --switch script
wait_for 5 "--switch script: wlan0 is in use" in_use wlan0
check "--switch script: it has run" [ -s "$LAB/script-runs" ]
