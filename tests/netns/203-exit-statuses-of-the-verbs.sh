#!/bin/sh
# status: 0 a link is confirmed, 1 none is, 69 no daemon, 77 not permitted. Only root may ask.
# takes 15 s
. "$(dirname "$0")/lib.sh"

lab_up
for verb in "status" "status --json" "events" "metrics" "reload"; do
    # shellcheck disable=SC2086  # words
    check "no daemon: $verb ends with 69" exits 69 ask $verb
done
says() { ask status 2>&1 | grep "$1"; }
check "no daemon: it says so" says "no daemon answers"
mkdir -p "$LAB/run"
timeout 0.2 socat UNIX-LISTEN:"$LAB/run/connmgr.sock",unlink-close=0 - || :
check "a dead daemon has left its socket: 69" exits 69 ask status

start_connmgr
wait_for 5 "confirmed links: 0" exits 0 ask status
check "confirmed links, as JSON: 0" exits 0 ask status --json
check "a verb has no other's options" exits 64 ask metrics --json
check "only root may reach the socket" test "$(stat -c %a:%u "$LAB/run/connmgr.sock")" = 600:0
chmod 711 "$LAB/.." "$LAB" "$LAB/run"
chmod 666 "$LAB/run/connmgr.sock"
install -m 755 "$(connmgr_path)" "$LAB/connmgr"
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$LAB/connmgr" status --run-dir "$LAB/run"; }
check "another user who reaches it is not answered" exits 69 as_nobody
chmod 600 "$LAB/run/connmgr.sock"
check "another user: 77" exits 77 as_nobody

unplug eth0
unplug wlan0
modem_off
wait_for 5 "no confirmed link: 1" exits 1 ask status
check "no confirmed link, as JSON: 1" exits 1 ask status --json
check "status: what is in use" status_has '^in use +none$'
stop_connmgr
check "it takes its socket along" test ! -e "$LAB/run/connmgr.sock"
