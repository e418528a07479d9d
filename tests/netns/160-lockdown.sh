#!/bin/sh
# The daemon locks the device down before anything else, opens what the whitelist names, and leaves it locked when it ends.
# takes 25 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

FIREWALL=
lab_up
is_in() { open_in "$1" | grep -E "^$2( |\$)"; }
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=1"; }

printf 'echo.example\n' >"$LAB/etc/whitelist"
start_connmgr --dns sniff
wait_for 3 "it says that it is locked, and where the addresses are" log_has "locked in [0-9]+ ms; addresses by $(sets); DNS: sniff"
check "the policies are DROP" test "$(drops)" = 3
wait_for 5 "probes pass by their mark" state eth0 ITFUP_SS
wait_for 5 "an exact name is open without anybody asking" reaches 198.18.100.10
wait_for 3 "over IPv6, too" reaches '[2001:db8:100::10]'
check "what is not whitelisted is shut" not reaches 198.18.100.8
check "the set has it" is_in afero4 198.18.100.10
stop_connmgr || status=$?
check "it stops with 0" test "${status:-0}" = 0
check "the lockdown stays" test "$(drops)" = 3
check "and what was open" reaches 198.18.100.10

# Entries that are removed while no daemon runs are closed when it starts.
printf '198.18.100.8\n198.18.102.0/24\n' >"$LAB/etc/whitelist"
start_connmgr --dns sniff
wait_for 3 "another whitelist: locked" log_has 'locked in'
wait_for 3 "another whitelist: what it has is open" reaches 198.18.100.8
# TCP port 80 of 198.18.100.10 is probed, and so open.
check "what it has not is shut" not is_in afero4 198.18.100.10
check "but may be probed" is_in afero4_probed 198.18.100.10
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>/dev/null || :
check "killed: it stays open" reaches 198.18.100.8
: >"$LAB/etc/whitelist"
start_connmgr --dns sniff
wait_for 3 "an empty whitelist: locked" log_has 'locked in'
check "an empty whitelist: nothing is open" not reaches 198.18.100.8
wait_for 5 "yet links are confirmed" state eth0 ITFUP_SS
check "the sets are empty" test -z "$(open_in afero4; open_in afero6)"
