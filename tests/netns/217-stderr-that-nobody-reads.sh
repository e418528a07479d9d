#!/bin/sh
# stderr is a terminal, pipe or socket without a reader: connmgr continues, and writes the queued lines when
# it is read again. A line has its severity in brackets only if stderr is the journal's.
# takes 40 s
. "$(dirname "$0")/lib.sh"

unread() { # KIND: until $LAB/go is there
    rm -f "$LAB/go" "$LAB/pid" "$LAB/said"
    nsenter --net=/run/netns/device /usr/bin/python3 -c '
import os, pty, socket, subprocess, sys, time
kind, lab, *argv = sys.argv[1:]
if kind == "terminal":
    ours, theirs = pty.openpty()
elif kind == "pipe":
    ours, theirs = os.pipe()
else:
    ours, theirs = (end.detach() for end in socket.socketpair())
ends = os.fstat(theirs)
# systemd.exec(5), JOURNAL_STREAM: the socket is the journal, the pipe is not, though the variable is inherited.
stream = f"{ends.st_dev}:{ends.st_ino}" if kind == "socket" else f"{ends.st_dev}:{ends.st_ino + 1}"
daemon = subprocess.Popen(
    argv, stderr=theirs, stdout=subprocess.DEVNULL, env={**os.environ, "JOURNAL_STREAM": stream})
if kind != "pipe":
    os.set_blocking(theirs, True)
os.close(theirs)
with open(lab + "/pid", "w") as out:
    out.write(f"{daemon.pid}\n")
while not os.path.exists(lab + "/go"):
    time.sleep(0.05)
with open(lab + "/said", "wb", buffering=0) as out:
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError: # no process has the terminal open any more
            break
        if not data:
            break
        out.write(data)
daemon.wait()' "$1" "$LAB" "$(connmgr_path)" -d --no-attrd --config-dir "$LAB/etc" --script-dir "$REPO/scripts" \
        --run-dir "$LAB/run" --echo echo.example:80 --ping 198.18.100.8 --resolver 198.18.100.53 --log stderr -v &
    READER_PID=$!
    poll 10 test -s "$LAB/pid"
    read -r CONNMGR_PID <"$LAB/pid"
}
said() { grep -aE -- "$1" "$LAB/said"; }

lab_up
for kind in terminal pipe socket; do
    unread "$kind"
    wait_for 10 "$kind: it starts, and uses eth0" in_use eth0
    wait_for 10 "$kind: wlan0 is confirmed" status_has '^wlan0 +ITFUP_SS'
    i=0
    while [ "$i" -lt 19 ]; do # more than any of them takes
        awk -v n="$i" 'BEGIN { for (i = 0; i < 20; i++) printf "UNKNOWN_%s_%03d_%0900d=x\n", n, i, 0 }' >"$LAB/etc/netif_names"
        ask reload >/dev/null
        i=$((i + 1))
    done
    unplug eth0
    wait_for 5 "$kind: nobody reads, but the cable's loss is seen" in_use wlan0
    plug eth0
    check "$kind: it answers" status_has '^in use +wlan0'
    : >"$LAB/go"
    wait_for 10 "$kind: read again, it tells what was decided" said ': eth0 lost carrier, wlan0 confirmed by echo'
    wait_for 10 "$kind: how much was lost" said '[0-9]+ lines of the log were dropped'
    whole() { ! said '^.+(<[3-7]>|[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9]{3} )'; }
    check "$kind: each line is a line" whole
    head='[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9]{3} ' info='' warning='warning: '
    [ "$kind" != socket ] || head='' info='<6>' warning='<4>'
    check "$kind: an information" said "^$head${info}using wlan0: "
    check "$kind: a warning" said "^$head$warning.*UNKNOWN_"
    kill -TERM "$CONNMGR_PID"
    wait_for 10 "$kind: it ends" said 'stopping: SIGTERM'
    wait "$READER_PID"
    echo "# the default names" >"$LAB/etc/netif_names"
done
