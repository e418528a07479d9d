#!/bin/sh
# syslog over /dev/log: the form of RFC 3164, priorities, reconnecting, never blocking; lines that repeat are counted. What ends a
# start is on stderr, too.
# takes 20 s
. "$(dirname "$0")/lib.sh"

# Mount a private /dev, because /dev/log belongs to the machine.
mkdir -p "$LAB/dev"
mount --rbind /dev "$LAB/dev"
mount -t tmpfs tmpfs /dev
for node in null zero random urandom tty net; do
    [ ! -e "$LAB/dev/$node" ] || ln -s "$LAB/dev/$node" "/dev/$node"
done
ln -s /proc/self/fd /dev/fd

syslogd() { # a syslogd: each datagram is a line
    /usr/bin/python3 -c '
import os, socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if os.path.exists("/dev/log"):
    os.unlink("/dev/log")
log.bind("/dev/log")
out = open(sys.argv[1], "ab", buffering=0)
out.write(b"started\n")
while True:
    out.write(log.recv(65536) + b"\n")' "$1" &
    SYSLOGD_PID=$!
    poll 10 grep -q started "$1"
}
said() { grep -E -- "$2" "$LAB/$1"; }

lab_up
syslogd "$LAB/first"
nsenter --net=/run/netns/device "$(connmgr_path)" -d --no-attrd --config-dir "$LAB/etc" --script-dir "$REPO/scripts" \
    --run-dir "$LAB/run" --echo echo.example:80 --ping 198.18.100.8 --resolver 198.18.100.53 \
    >"$LAB/connmgr.out" 2>"$LAB/connmgr.log" &
CONNMGR_PID=$!
month='(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
wait_for 5 "facility daemon, severity info; header and tag of RFC 3164" \
    said first "^<30>$month [ 1-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9] connmgr\[$CONNMGR_PID\]: using eth0: "
check "no debug lines without -v" not said first '^<31>'
check "nothing on stderr" test ! -s "$LAB/connmgr.log"
wait_for 3 "it has settled" said first 'switched to eth0'

echo "ETH_INTERFACE_0='x/y'" >"$LAB/etc/netif_names"
ask reload >/dev/null || :
wait_for 2 "severity error" said first '^<27>.*: reload refused: the old configuration stays in force'
rm "$LAB/etc/netif_names"
ask reload >/dev/null
wait_for 2 "severity warning" said first '^<28>.*: reload: .*/netif_names: no such file'

kill "$SYSLOGD_PID"
wait "$SYSLOGD_PID" 2>"$LAB/last" || : # its socket must be closed first
ask reload >/dev/null
syslogd "$LAB/second"
ask reload >/dev/null
wait_for 5 "syslogd is back: lines arrive" said second 'reload: nothing has changed'
wait_for 5 "it says how many were lost" said second '^<28>.*: [0-9]+ lines of the log were dropped'

# A syslogd that hangs with a full queue, filled by other programs.
fill() {
    /usr/bin/python3 -c '
import socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect("/dev/log")
log.setblocking(False)
try:
    while True:
        log.send(b"<30>somebody else")
except BlockingIOError:
    pass'
}
kill -STOP "$SYSLOGD_PID"
fill
unplug eth0
wait_for 5 "syslogd hangs: connmgr does not" in_use wlan0
echo "ETH_INTERFACE_0='x/y'" >"$LAB/etc/netif_names"
ask reload >/dev/null || :
echo "# nothing odd" >"$LAB/etc/netif_names"
ask reload >/dev/null
unplug wlan0
wait_for 5 "it goes on" in_use wwan0
kill -CONT "$SYSLOGD_PID"
wait_for 10 "syslogd goes on: the decisions meanwhile are there, the last one" said second '^<30>.*: using wwan0: '
check "and the first" said second '^<30>.*: using wlan0: '
check "and what became of the links" said second '^<30>.*: eth0: ITFUP_SS -> ITFDOWN_SU: lost carrier$'
check "and the error" said second '^<27>.*: reload refused: the old configuration stays in force$'
counted() { [ "$(said second 'lines of the log were dropped' | wc -l)" -ge 2 ]; }
wait_for 5 "what was lost is counted" counted
in_order() { sed -nE 's/.*: using (wlan0|wwan0): .*/\1/p' "$LAB/second" | paste -sd, | grep -qx wlan0,wwan0; }
check "in the order in which they were said" in_order

# A syslogd that hangs for good; another one takes over its path.
kill -STOP "$SYSLOGD_PID"
fill
hanging=$SYSLOGD_PID
plug wlan0
wait_for 15 "wlan0 is used again" in_use wlan0
syslogd "$LAB/third"
wait_for 10 "another syslogd: it gets what was kept" said third '^<30>.*: using wlan0: '
kill -KILL "$hanging"
kill "$SYSLOGD_PID"
stop_connmgr

rm "$LAB/first"
plug eth0
plug wlan0
syslogd "$LAB/first"
echo "# nothing but repetition" >"$LAB/etc/netif_names"
nsenter --net=/run/netns/device "$(connmgr_path)" -d --no-attrd --config-dir "$LAB/etc" --script-dir "$REPO/scripts" \
    --run-dir "$LAB/run" --echo echo.example:80 --ping 198.18.100.8 --resolver 198.18.100.53 --log syslog >"$LAB/connmgr.out" 2>"$LAB/connmgr.log" &
CONNMGR_PID=$!
wait_for 5 "it has started" said first 'using '
wait_for 10 "it has switched" said first 'switched to'
wait_for 10 "eth0 is confirmed" said first 'eth0: .* -> ITFUP_SS: '
wait_for 10 "wlan0 is confirmed: there is nothing left to be said" said first 'wlan0: .* -> ITFUP_SS: '
i=0
while [ "$i" -lt 5 ]; do
    kill -HUP "$CONNMGR_PID"
    poll 10 metrics_have "^connmgr_events_total.kind=\"reload\". $((i + 1))$"
    i=$((i + 1))
done
stop_connmgr
wait_for 3 "a line that repeats is counted" said first '^<30>.*: last message repeated 4 times'
check "and written once" test "$(said first 'nothing has changed' | wc -l)" = 1

# What ends a start is on stderr as well, for a user or an init system that does not show the log: stderr is no terminal here.
# ends STATUS REGEX CMD...: as CMD, connmgr ends with STATUS, and says why in both places.
ends() {
    ends_status=$1 ends_words=$2
    shift 2
    cp "$LAB/first" "$LAB/before"
    exits "$ends_status" timeout 30 nsenter --net=/run/netns/device "$@" --no-attrd --run-dir "$LAB/run" --config-dir "$LAB/etc" || return
    grep -qE -- "$ends_words" "$LAB/said" || return
    poll 5 said_anew "$ends_words"
}
said_anew() { tail -n +"$(($(wc -l <"$LAB/before") + 1))" "$LAB/first" | grep -qE -- "^<2[67]>.*connmgr.*($1)"; }
echo "ETH_INTERFACE_0='x/y'" >"$LAB/etc/netif_names"
# Where stderr is the journal, which gets syslog's lines, too, it would stand there twice. This shell opens the file as stderr
# before connmgr starts, so its device and inode are known.
in_journal() {
    : >"$LAB/journal"
    lab_status=0 lab_stream=$(stat -c %d:%i "$LAB/journal")
    on device env "JOURNAL_STREAM=$lab_stream" "$(connmgr_path)" -d --script-dir "$REPO/scripts" --no-attrd \
        --run-dir "$LAB/run" --config-dir "$LAB/etc" 2>"$LAB/journal" || lab_status=$?
    [ "$lab_status" = 78 ]
}
check "bad netif_names, stderr is the journal" in_journal
check "it is not said twice there" test ! -s "$LAB/journal"
check "bad netif_names: on stderr and in syslog" ends 78 'netif_names.*x/y' "$(connmgr_path)" -d --script-dir "$REPO/scripts"
echo "# the default names" >"$LAB/etc/netif_names"
chmod 666 /dev/log
check "a capability is missing: the same" ends 77 'CAP_' \
    setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$(connmgr_path)" -d --script-dir "$REPO/scripts"
mkdir "$LAB/none"
check "the lockdown fails: the same" ends 78 'cannot lock the firewall' "$(connmgr_path)" --script-dir "$LAB/none"
nsenter --net=/run/netns/device "$(connmgr_path)" -d --no-attrd --config-dir "$LAB/etc" --script-dir "$REPO/scripts" \
    --run-dir "$LAB/run" >"$LAB/connmgr.out" 2>"$LAB/connmgr.log" &
CONNMGR_PID=$!
wait_for 5 "it runs" said first "connmgr\[$CONNMGR_PID\]: monitoring"
check "a second one: the same" ends 71 'already|another|second' "$(connmgr_path)" -d --script-dir "$REPO/scripts"
stop_connmgr
