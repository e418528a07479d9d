#!/bin/sh
# events --follow shows each event at once; a slow reader is told how many it missed.
# takes 50 s
. "$(dirname "$0")/lib.sh"

begin
ask events --follow >"$LAB/followed" &
FOLLOWER_PID=$!
followed() { grep -E -- "$1" "$LAB/followed"; }
wait_for 3 "what was before" followed ' decision using eth0: '
unplug eth0
wait_for 3 "what comes" followed ' link +eth0: ITFUP_SS -> ITFDOWN_SU: lost carrier$'
wait_for 3 "what comes of it" followed ' switch +switched to wlan0 in '
check "wall time and monotonic time" followed \
    '^[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3} \+[0-9]+\.[0-9]{3} decision using wlan0: '
times_agree() { # the monotonic time is the kernel's
    lab_at=$(followed 'switched to wlan0' | sed 's/^[^+]*+\([0-9]*\)\..*/\1/')
    [ $(($(now) / 100 - lab_at)) -le 30 ] && [ $(($(now) / 100 - lab_at)) -ge 0 ]
}
check "monotonic time is the kernel's" times_agree

# The members for programs: as scripts/events.schema.json has them, in the document and line by line.
ask events --json >"$LAB/events.json"
check "as JSON: valid" json_is_valid events "$LAB/events.json"
# has FILE EXPRESSION: true if the Python expression is true for an event e.
has() {
    /usr/bin/python3 -c '
import json, sys
events = json.load(open(sys.argv[1]))["events"]
assert any(eval("(" + sys.argv[2] + ")") for e in events)' "$1" "$2"
}
check "a state" has "$LAB/events.json" '(e["event"], e["kind"], e["link"], e["from"], e["to"], e["reason"]) ==
    ("state", "link", "eth0", "ITFUP_SS", "ITFDOWN_SU", "lost carrier")'
check "a choice" has "$LAB/events.json" '(e["event"], e["link"], e["from"], e["to"], e["reason"]) ==
    ("chosen", "wlan0", "eth0", "wlan0", "eth0 lost carrier, wlan0 confirmed by echo")'
check "a switch, and how long it took" has "$LAB/events.json" '(e["event"], e["link"], e["from"], e["to"]) ==
    ("switched", "wlan0", "eth0", "wlan0") and 0 < e["took_seconds"] < 10'
check "the first choice: from nothing" has "$LAB/events.json" '(e["event"], e["from"], e["to"]) == ("chosen", None, "eth0")'
check "a probe" has "$LAB/events.json" '(e["event"], e["level"], e["link"]) == ("probe_ended", "debug", "wlan0") and e["reason"]'
check "one without members" has "$LAB/events.json" '(e["event"], e["kind"], e["link"], e["reason"]) == (None, "daemon", None, None)'
sed 's/"from":"eth0"/"from":5/' "$LAB/events.json" >"$LAB/damaged.json"
check "the validator finds a wrong member" not json_is_valid events "$LAB/damaged.json"
sed 's/"to":"ITFDOWN_SU"/"to":"down"/' "$LAB/events.json" >"$LAB/damaged.json"
check "and a wrong state" not json_is_valid events "$LAB/damaged.json"
ask events --follow --json | head -n 3 >"$LAB/lines.json"
check "as JSON: one object each" /usr/bin/python3 -c '
import json, sys
numbers = [json.loads(line)["number"] for line in open(sys.argv[1])]
assert numbers == sorted(numbers) and len(numbers) == 3' "$LAB/lines.json"
sed 's/^/{"schema":1,"events":[/; s/$/]}/' "$LAB/lines.json" | sed 1q >"$LAB/line.json"
check "with the same members" json_is_valid events "$LAB/line.json"

# A reader that stops: the socket takes some events, the reader misses the rest.
timeout 60 /usr/bin/python3 -c '
import socket, sys, time, os
client = socket.socket(socket.AF_UNIX)
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
client.connect(sys.argv[1])
client.send(b"events text follow\n")
print("asked", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
with open(sys.argv[3], "wb") as out:
    while True:
        data = client.recv(65536)
        if not data:
            break
        out.write(data)
        out.flush()' "$LAB/run/connmgr.sock" "$LAB/go" "$LAB/slow" >"$LAB/asked" &
poll 10 grep -q asked "$LAB/asked"
# Different remarks of 300 characters: they soon fill the ring and the socket.
i=0
while [ "$i" -lt 60 ]; do
    awk -v n="$i" 'BEGIN { for (i = 0; i < 20; i++) printf "UNKNOWN_%s_%03d_%0230d=x\n", n, i, 0 }' >"$LAB/etc/netif_names"
    ask reload >/dev/null
    poll 10 followed "UNKNOWN_${i}_019" # of a reload's remarks only the first 20, and of reloads only 50 lines are kept
    i=$((i + 1))
done
touch "$LAB/go"
wait_for 5 "a slow reader is told what it missed" grep -qE '^\([0-9]+ missed\)$' "$LAB/slow"
wait_for 5 "and goes on with the newest" grep -q "UNKNOWN_59_019" "$LAB/slow"
in_order() { sed -n 's/^[^+]*+\([0-9]*\)\.\([0-9]*\) .*/\1\2/p' "$1" | sort -n -c; }
check "in order" in_order "$LAB/slow"
check "one that keeps up misses nothing" not followed '^\([0-9]+ missed\)$'
lines() { ask events | wc -l; }
check "500 events are kept at most" test "$(lines)" -le 500
check "however much is reloaded, what was decided is there" events_have ' decision +using wlan0: eth0 lost carrier'

follow() {
    lab_status=0
    ask events --follow >"$LAB/$1" 2>&1 || lab_status=$?
    echo "$lab_status" >"$LAB/$1.ended"
}
follow killed &
wait_for 5 "another follower" grep -q ' decision using wlan0: ' "$LAB/killed"
check "it has not ended" test ! -e "$LAB/killed.ended"
kill -KILL "$CONNMGR_PID"
wait_for 5 "the daemon is killed: who follows ends" test -s "$LAB/killed.ended"
check "with 69" test "$(cat "$LAB/killed.ended")" = 69
check "and says why" grep -qx 'connmgr: the daemon has closed the connection' "$LAB/killed"
wait "$FOLLOWER_PID" || :
wait "$CONNMGR_PID" || : # otherwise its lock may still be held
start_connmgr
check "after a restart it begins anew" test "$(lines)" -lt 30
