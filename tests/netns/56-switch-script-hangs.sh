#!/bin/sh
# switch_route.sh hangs and ignores SIGTERM: the daemon continues, and kills it after 10 s.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
cat >"$SCRIPTS/switch_route.sh" <<END
#!/bin/sh
trap '' TERM
echo \$\$ >"$LAB/script.pid"
sleep 1000 & wait
END
start_connmgr
wait_for 3 "the script runs" test -s "$LAB/script.pid"
unplug wlan0
wait_for 5 "meanwhile the daemon sees what happens" state wlan0 ITFDOWN_SU
plug wlan0
wait_for 4 "meanwhile it probes" state wlan0 ITFUP_SS
check "status: the switch is under way" status_has '^switch +to eth0, under way$'
cp "$REPO/scripts/switch_route.sh" "$SCRIPTS/switch_route.sh.new"
mv "$SCRIPTS/switch_route.sh.new" "$SCRIPTS/switch_route.sh"
script=$(cat "$LAB/script.pid")
wait_for 12 "the script is killed" not kill -0 "$script"
# status shows it for a fifth of a second, until the next try.
check "events: why the switch failed, and what comes next" events_have \
    ' switch +switching to eth0 failed: switch_route\.sh: killed: it took longer than 10 s, retrying$'
wait_for 5 "it says that the switch failed" log_has '^<[0-7]> ?switching to eth0 failed: '
wait_for 25 "the next try succeeds" in_use eth0
wait_for 5 "status: the failure is over" not status_has '^switch '
