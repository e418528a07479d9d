#!/bin/sh
# The checker of `make soak` detects what it looks for: a default over a dead link, an open firewall, a whitelisted name
# that is not reached, an attribute that is wrong, a daemon that has died. Afterwards it reports that all is well again.
# A seed gives the same events each time.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"
. "$NETNS_DIR/names.sh"

plan() { "$NETNS_DIR/soak.sh" plan "$1" "$2"; }
same() { [ "$(plan 600 "$1" | cksum)" = "$(plan 600 "$2" | cksum)" ]; }
check "a seed gives the same events each time" same 7 7
check "another one gives others" not same 7 8
# Each event has its function, and each fault is healed.
has_functions() {
    for event in $(plan 3600 7 | cut -d ' ' -f 2 | sort -u); do grep -q "^event_$event()" "$NETNS_DIR/soak.sh" || { echo "$event"; return 1; }; done
}
check "each event can be done" has_functions
check "each fault ends" test "$(plan 3600 7 | grep -c ' fault ')" = "$(plan 3600 7 | grep -c ' heal ')"

mkdir -p "$LAB/faults"
lab_up
names_up
start_attrd
lockdown --dns hold
echo "$CONNMGR_PID" >"$LAB/pid"
export ATTRC="$ATTRD_TOOLS/attrc" ATTRD_SOCKET
/usr/bin/python3 "$NETNS_DIR/soak_check.py" 3600 >"$LAB/checked" 2>&1 &
# sees WORD NAME: true if the last line about the invariant begins so.
sees() { grep -E "$2" "$LAB/checked" | tail -n 1 | grep -q " $1"; }
sees_bad() { sees violated "$1"; }
sees_good() { sees again "$1"; }

# Without a daemon nothing is repaired.
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>"$LAB/last" || :
wait_for 5 "a daemon that does not run" sees_bad 'the daemon runs'
on device iptables -I OUTPUT -j ACCEPT
wait_for 5 "an open firewall" sees_bad 'nothing foreign is reached'
: >"$LAB/faults/eth0"
upstream_dead eth0
wait_for 5 "a default over a dead link" sees_bad 'IPv4 leads'
wait_for 5 "also of IPv6" sees_bad 'IPv6 leads'
wait_for 10 "an attribute that nobody answers for" sees_bad 'the attribute says'

FIREWALL='' start_connmgr --resolver 198.18.100.55 --dns hold
echo "$CONNMGR_PID" >"$LAB/pid"
for good in 'the daemon runs' 'IPv4 leads' 'IPv6 leads' 'nothing foreign is reached' 'the attribute says'; do
    wait_for 25 "$good: again" sees_good "$good"
done

# The daemon removes the rule again.
shuts() { sees_bad 'answered whitelisted name' || { on device iptables -I OUTPUT -p tcp --dport 80 -d 198.19.0.0/16 -j DROP; false; }; }
wait_for 20 "a whitelisted name that is not reached" shuts
wait_for 20 "it is reached" sees_good 'answered whitelisted name'
