#!/bin/sh
# 100 clients connect and send nothing; others never read, send too much, or send nonsense: the daemon answers
# everyone else, does not grow, and drops them.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
socket=$LAB/run/connmgr.sock
descriptors() { find "/proc/$CONNMGR_PID/fd" -type l | wc -l; }
at_most() { [ "$(descriptors)" -le "$1" ]; }
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$CONNMGR_PID/status"; }
had=$(descriptors)
for verb in status events metrics reload; do ask "$verb" >/dev/null; done # memory that is allocated only once
memory=$(rss)

# python3 can hold a hundred sockets in one process.
stall() { # COUNT SECONDS REQUEST: connects, asks, does not read
    exec /usr/bin/python3 -c '
import socket, sys, time
clients = []
for i in range(int(sys.argv[2])):
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(sys.argv[1])
        client.send(sys.argv[4].encode())
    except OSError:
        pass
    clients.append(client)
print("stalling", flush=True)
time.sleep(float(sys.argv[3]))' "$socket" "$@"
}
begin_stalling() {
    stall "$@" >"$LAB/stalling" &
    STALLING_PID=$!
    poll 10 grep -q stalling "$LAB/stalling"
}

begin_stalling 100 60 ""
check "100 that say nothing: at most 16 are let in" test "$(descriptors)" -le $((had + 16))
wait_for 6 "another client is answered" ask status
wait_for 4 "they are dropped after 2 s" at_most "$((had + 1))"
kill "$STALLING_PID"

begin_stalling 100 60 "status"
wait_for 6 "100 that say half a line: another client is answered" ask status
kill "$STALLING_PID"
wait_for 4 "they are dropped" at_most "$((had + 1))"

begin_stalling 1 60 "$(head -c 5000 /dev/zero | tr '\0' x)"
wait_for 3 "who says too much is dropped at once" at_most "$((had + 1))"
kill "$STALLING_PID"

# Never read: the part of the reply that does not fit into the socket has to wait.
begin_stalling 30 60 "events follow
"
wait_for 5 "30 that follow events and do not read: at most 8 are let" at_most $((had + 8))
i=0
while [ "$i" -lt 10 ]; do
    ask reload >/dev/null
    i=$((i + 1))
done
check "others are answered, again and again" metrics_have '^connmgr_events_total\{kind="reload"\} 1[0-9]$'
kill "$STALLING_PID"
wait_for 5 "their end is noticed" at_most "$had"

nonsense() { printf '%b' "$1" | timeout 5 socat - "UNIX-CONNECT:$socket" | grep -qF "$2"; }
check "nonsense is refused" nonsense 'GET / HTTP/1.1\r\n' '{"error":"no such request"}'
check "zero bytes are refused" nonsense '\0\0\0\n' '{"error":"no such request"}'
check "a good request by hand" nonsense 'status\n' '{"schema":1,'
wait_for 5 "no descriptor is left behind" at_most "$had"
check "it has not grown: $memory kB, $(rss) kB" test "$(rss)" -le $((memory + 2048))
check "nobody moved" test "$(switches)" = 1
