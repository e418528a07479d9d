#!/bin/sh
# switch_route.sh fails: the daemon logs why, continues, tries again, and succeeds as soon as the script does.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
cat >"$SCRIPTS/switch_route.sh" <<'END'
#!/bin/sh
echo "this script is broken" >&2
exit 1
END
start_connmgr
wait_for 3 "it says that the switch failed" log_has '^<[0-7]> ?switching to eth0 failed: '
check "it says why" log_has 'this script is broken|status 1|exit(ed)?( status| code| with)? 1'
check "it does not claim to have switched" not log_has '^<[0-7]> ?switched to '
wait_for 5 "probes go on: wlan0 is confirmed" state wlan0 ITFUP_SS
tried_again() { [ "$(grep -cE 'switching to [a-z0-9]+ failed' "$LAB/connmgr.log")" -ge 2 ]; }
wait_for 5 "it tries again" tried_again
check "metrics: the switch has failed" metrics_have '^connmgr_switches_total\{result="failed"\} [1-9]'
check "metrics: a warning about a switch" metrics_have '^connmgr_warnings_total\{kind="switch"\} [1-9]'
cp "$REPO/scripts/switch_route.sh" "$SCRIPTS/switch_route.sh.new"
mv "$SCRIPTS/switch_route.sh.new" "$SCRIPTS/switch_route.sh"
wait_for 70 "the script is whole again: eth0 is in use" in_use eth0
