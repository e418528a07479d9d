#!/bin/sh
# switch_route.sh prints 64 MB and then does its work: the daemon does not store that.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
mv "$SCRIPTS/switch_route.sh" "$SCRIPTS/switch_route_2.sh"
cat >"$SCRIPTS/switch_route.sh" <<'END'
#!/bin/sh
yes "all work and no play" | head -c 33554432
yes "all work and no play" | head -c 33554432 >&2
exec "${0%.sh}_2.sh" "$@"
END
chmod +x "$SCRIPTS/switch_route.sh"
start_connmgr
wait_for 11 "eth0 is in use" in_use eth0
resident() { awk '$1 == "VmHWM:" { exit !($2 < 10000) }' "/proc/$CONNMGR_PID/status"; }
check "it never held more than 10 MB" resident
check "nor did its log" test "$(wc -c <"$LAB/connmgr.log")" -lt 200000
