#!/bin/sh
# Files with thousands of bad lines, a whitelist with thousands of entries: reload, status and events report
# the first ones, how many more there are, and always the result.
# takes 15 s
. "$(dirname "$0")/lib.sh"

FIREWALL=
lab_up
echo 198.18.200.0/24 >"$LAB/etc/whitelist"
start_connmgr
wait_for 5 "it is locked" status_has '^firewall +locked'
wait_for 5 "eth0 is in use" in_use eth0

reload() { # STATUS ARGS...
    lab_wanted=$1 lab_status=0
    shift
    ask reload "$@" >"$LAB/said" 2>&1 || lab_status=$?
    tail -n 3 "$LAB/said"
    [ "$lab_status" = "$lab_wanted" ]
}
last_is() { [ "$(tail -n 1 "$LAB/said")" = "$1" ]; }
kept() { ask events | grep -c ' reload  ' || :; }

seq 1 5000 | sed 's/.*/bad line & of "very" many, as long as lines can be before they are cut, and then a little longer/' >"$LAB/etc/whitelist"
before=$(kept)
check "5000 bad lines: 78" reload 78
check "the first of them" grep -q '/etc/whitelist:1: more than one word: "bad line 1 of ' "$LAB/said"
check "a hundred lines of them" test "$(grep -c '/etc/whitelist:' "$LAB/said")" = 100
check "how many more" grep -qxE 'and [0-9]+ more' "$LAB/said"
check "the result" last_is "refused: the old configuration stays in force"
check "events: not all of them" test "$(($(kept) - before))" = 22
check "events: how many more" events_have ' reload +reload: and [0-9]+ more \(see .connmgr check.\)$'
check "JSON: 78, too" reload 78 --json
check "JSON: whole, and the result at its end" /usr/bin/python3 -c '
import json, sys
said = json.load(open(sys.argv[1]))
assert said["done"] is False and len(said["said"]) == 102, said
assert said["said"][-1] == "refused: the old configuration stays in force", said' "$LAB/said"
check "what was in force is in force" status_has '^ 198\.18\.200\.0/24$'

# Warnings only: the exit status is 0.
{ seq 1 60 | sed 's/.*/UNKNOWN_&=x/'; } >"$LAB/etc/netif_names"
{ echo 198.18.200.0/24; seq 1 2000 | sed 's/.*/*.twice.example/'; } >"$LAB/etc/whitelist"
check "2060 odd lines: 0" reload 0
check "how many more, again" grep -qxE 'and [0-9]+ more' "$LAB/said"
check "the result, again" grep -qE '^whitelist: .* entries instead of 1' "$LAB/said"
check "it is taken" status_has '^ \*\.twice\.example'

# Wildcards, so that connmgr does not resolve them.
seq 10000 16000 | sed 's/.*/*.&-with-a-name-that-is-rather-long-for-a-label.and-another-rather-long-one.example/' >"$LAB/etc/whitelist"
check "6001 entries: 0" reload 0
check "status: how many there are" status_has '^whitelist +6001 entries, 0 addresses open$'
check "status: the first" status_has '^ \*\.10000-with'
check "status: how many more, at its end" test "$(ask status | tail -n 1)" = " and 5745 entries and 0 addresses more"
check "JSON: valid" status_is_valid
check "JSON: how many more" grep -q '"unlisted_entries":5745' "$LAB/status.json"
: >"$LAB/etc/whitelist"
check "none any more: 0" reload 0
check "it is still small" test "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$CONNMGR_PID/status")" -lt 24000
