#!/bin/sh
# Another program changes the routes; then switch_route.sh fails: status and events report it in exactly these
# words.
# takes 15 s
. "$(dirname "$0")/lib.sh"

SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
begin
ip -n device route prepend default via 198.18.2.1 dev wlan0
wait_for 3 "eth0 is back in front" in_use eth0
wait_for 3 "events: what was found" \
    events_have ' route +restoring the route over eth0: found IPv4 default via 198\.18\.2\.1 dev wlan0 metric 0, IPv6 default'
wait_for 3 "events: what was done" events_have ' route +restored the route over eth0 in [0-9.]+ ms$'
check "metrics: a repair" metrics_have '^connmgr_route_repairs_total [1-9]'

cat >"$SCRIPTS/switch_route.sh.new" <<'END'
#!/bin/sh
echo "this script is broken" >&2
exit 3
END
chmod +x "$SCRIPTS/switch_route.sh.new"
mv "$SCRIPTS/switch_route.sh.new" "$SCRIPTS/switch_route.sh"
unplug eth0
wait_for 3 "script fails: status says so" status_has '^switch +switching to (wlan0|wwan0) failed: switch_route\.sh: exit status 3, saying'
check "status: what is chosen, and why" \
    status_has '^why +[0-9]+ m?s ago: (eth0 lost carrier, wlan0 confirmed by echo$|switching to wlan0 failed twice or more, )'
check "events: the failure" \
    events_have ' switch +switching to wlan0 failed: switch_route\.sh: exit status 3, saying "this script is broken", retrying$'
cp "$REPO/scripts/switch_route.sh" "$SCRIPTS/switch_route.sh.new"
mv "$SCRIPTS/switch_route.sh.new" "$SCRIPTS/switch_route.sh"
wait_for 10 "script whole again: status knows no failure any more" not status_has '^switch +switching'
