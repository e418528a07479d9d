#!/bin/sh
# status on a terminal of 80 columns: three links in three states, with colours; without colours if it is not
# a terminal.
# takes 30 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
unplug eth0
wait_for 3 "wlan0 is in use" in_use wlan0
portal wlan0 portal
wait_for 15 "wlan0 fails" state wlan0 ITFUP_SF

terminal() { tmux -S "$LAB/tmux" -f /dev/null "$@"; }
terminal new-session -d -x 80 -y 40 "TERM=screen '$(connmgr_path)' status --watch --run-dir '$LAB/run'"
screen() { terminal capture-pane -p -t 0 >"$LAB/screen"; cat "$LAB/screen"; }
screen_has() { screen | grep -E -- "$1"; }
wait_for 5 "in use" screen_has '^in use +wwan0 for '
wait_for 3 "why" screen_has '^why +[0-9]+ m?s ago: wlan0 failed, wwan0 is up, assumed good'
wait_for 3 "down" screen_has '^eth0 +ITFDOWN_SU for .*: lost carrier$'
wait_for 3 "failed" screen_has '^wlan0 +ITFUP_SF for '
wait_for 3 "confirmed" screen_has '^wwan0 +ITFUP_SS for .*: in use, assumed, is up, assumed good'
has_lines() { [ "$(screen | grep -cE '^ (address|traffic) ')" = 4 ]; }
wait_for 3 "each link has its lines" has_lines
long_words() { screen | grep -B 1 -E '^ {25,}[a-z(]'; }
wait_for 3 "what is too long goes on below itself" long_words
colored() { terminal capture-pane -p -e -t 0 | grep -F "[$1"; }
wait_for 3 "failed is red" colored 31mITFUP_SF
wait_for 3 "confirmed is green" colored 32mITFUP_SS
was=$(screen | sed -n 's/^connmgr .*, up \(.*\), memory.*/\1/p')
redrawn() { [ "$(screen | sed -n 's/^connmgr .*, up \(.*\), memory.*/\1/p')" != "$was" ]; }
wait_for 5 "--watch draws it anew" redrawn
once() { [ "$(screen | grep -c '^in use ')" = 1 ]; }
wait_for 3 "in the same place" once
stop_connmgr
wait_for 5 "the daemon ends: --watch says so" screen_has 'connmgr: no daemon answers in'
start_connmgr
wait_for 5 "the daemon is back: --watch goes on" screen_has '^connmgr .*, up [0-9]+ m?s'
terminal kill-server

watch_ends() {
    lab_status=0
    timeout 60 "$(connmgr_path)" status --watch --run-dir "$LAB/run" >"$LAB/watched" 2>&1 || lab_status=$?
    echo "$lab_status" >"$LAB/ended"
}
watch_ends &
wait_for 5 "--watch again" grep -q '^in use ' "$LAB/watched"

ask status >"$LAB/plain"
check "no terminal: no colour" not grep -q "$(printf '\033')" "$LAB/plain"
check "nothing is wider than 80 columns" not grep -qE '^.{81}' "$LAB/plain"

kill -KILL "$CONNMGR_PID"
wait_for 40 "a daemon that is killed and stays away: --watch ends" test -s "$LAB/ended"
check "with 69" test "$(cat "$LAB/ended")" = 69
check "and says why" grep -q '^connmgr: no daemon answers in ' "$LAB/watched"
