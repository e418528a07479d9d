# shellcheck shell=sh
# The work of a day for the daemon, in tenths that take a few seconds each. Source it after lib.sh, names.sh
# and attrd.sh.

# day_up ENTRIES: after lab_up, starts the daemon with that many whitelist entries and all features on.
day_up() {
    names_up
    start_attrd
    awk -v n="$1" 'BEGIN { for (i = 1; i < n; i++) print i % 10 ? "*.service-" i ".example" : "10." int(i / 256) % 256 "." i % 256 ".0/24" }' \
        >>"$LAB/etc/whitelist"
    lockdown --dns hold
}

# tenth_of_a_day: 4,320 questions (one every 2 s), of which every second one opens an address; 10,000 gets of
# attrd; a status and a page of metrics every minute; reloads every 4 hours; 3 cables pulled and plugged in,
# with the switches and probes that follow.
tenth_of_a_day() {
    on device "$LABTOOL" rate 198.18.100.55 n#.fresh.example n#.foreign.example 2160 2 1 >"$LAB/last"
    day_answered=$(grep -c ' answers ' "$LAB/attrd.log" || :)
    tell_attrd "storm 65008 10000 1000"
    /usr/bin/python3 -c '
import socket, sys
def ask(verb):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[1])
        client.sendall(verb.encode() + b"\n")
        while client.recv(65536):
            pass
for i in range(144):
    for verb in ["status", "metrics"] + (["reload", "events"] if i % 72 == 0 else []):
        # The daemon closes a connection on which no request comes within 2 s, as happens on a busy machine.
        for attempt in range(5):
            try:
                ask(verb)
                break
            except ConnectionError as error:
                last = error
        else:
            raise last' "$LAB/run/connmgr.sock"
    for day_round in 1 2 3; do
        unplug eth0
        poll 5 in_use wlan0 || :
        plug eth0
        configure eth0
        poll 5 status_has "^eth0 +ITFUP_SS for [0-9] s" || : # round $day_round
    done
    poll 20 day_is_answered || :
}
day_is_answered() { [ "$(grep -c ' answers ' "$LAB/attrd.log")" -gt "$day_answered" ]; }

# memory KEY: prints Rss, Pss, Private_Dirty or VmHWM from /proc/PID/smaps_rollup or status, in kB.
memory() { cat "/proc/$CONNMGR_PID/smaps_rollup" "/proc/$CONNMGR_PID/status" | awk -v key="$1:" '$1 == key { print $2; exit }'; }
# memory_at_most KB: waits, because the next tick (at most 2 s later) returns unused memory.
memory_at_most() {
    echo "RSS $(memory Rss) kB"
    [ "$(memory Rss)" -le "$1" ]
}
