#!/bin/sh
# 10,000 forged replies of every kind, from an attacker who knows id, port and question, while applications
# use the device: no address is opened, and no application is disturbed.
# takes 25 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
use_variant nft
forgeries() { [ "$(sed -n 's/ forged$//p' "$LAB/names.log" | tail -n 1)" -ge "$1" ]; }
forged_for() { NAMES=x#.fresh.example first device "$@"; }
honest() {
    nsenter --net=/run/netns/device "$LABTOOL" first 198.18.100.55 n#.fresh.example "$1" "$2" >"$LAB/honest" 2>&1 &
    HONEST=$!
}
honest_have() { wait "$HONEST" && cat "$LAB/honest" && grep -qE "$1" "$LAB/honest"; }
# Only addresses of names that were resolved are open.
opened() { open_addresses | wc -l && [ "$(open_addresses | wc -l)" = "$1" ]; }

holding() {
    lockdown --dns hold
    check "hold: it does" log_has 'DNS: hold'
    honest 1001 1000
    forged_for 400 1 >"$LAB/last"
    check "hold: 400 names, 26 forgeries before each true answer: resolved and reached at once" grep ' 0 unresolved, 0 lost,' "$LAB/first"
    wait_for 5 "10,000 were sent" forgeries 10000
    check "the honest names beside them are not disturbed" honest_have ' 0 unresolved, 0 lost,'
    check "nothing is open but what they ask for" opened 1400
    check "not the forgers' address" not is_open 198.19.255.1
    check "every reply has been let go" queue_is_empty

    resolve l1.fresh.example >"$LAB/last"
    resolve l1.fresh.example 6 >"$LAB/last" || :
    check "nor loopback, private, link-local, multicast or broadcast ones" opened 1400
    stop_connmgr || :
}
before=0
if can_hold; then
    holding
    before=1400
else
    skip "with nft: $no_queue"
fi

lockdown --dns sniff
check "sniff: it does" log_has 'DNS: sniff'
honest 2001 5
forged_for 20 401 >"$LAB/last"
check "sniff: forgeries before the true answer: resolved" grep ' 0 unresolved,' "$LAB/first"
check "the honest names beside them, too" honest_have ' 0 unresolved,'
wait_for 3 "nothing is open but what they ask for" opened $((before + 25))
check "not the forgers' address" not is_open 198.19.255.1
resolve l2.fresh.example >"$LAB/last"
check "nor loopback and the like" opened $((before + 25))
