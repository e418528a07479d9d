#!/bin/sh
# Malformed whitelists, end to end: valid entries are open, the rest is reported and closed, nothing is
# executed. Ten thousand entries cost little time and memory.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
answer one.example 198.18.101.1
answer x.wild.example 198.18.101.3
{
    printf '\357\273\277# of an editor\r\necho.example\r\n  ;touch %s/hacked\r\n\tONE.example.\t# with a dot\r\n' "$LAB"
    head -c 1048576 /dev/zero | tr '\0' a
    # shellcheck disable=SC2016  # that is the point
    printf '\nt\303\272.example\n$(touch %s/hacked).example\n`touch %s/hacked`\n*.io\nnul\0.example\n*.WILD.example' "$LAB" "$LAB"
} >"$LAB/etc/whitelist"
start_connmgr --resolver 198.18.100.54
for line in 3 5 6 7 8 9 10; do check "line $line is said" log_has "^<3> ?.*whitelist:$line: "; done
wait_for 5 "the exact name is open" reaches 198.18.101.1
resolves x.wild.example >"$LAB/last"
wait_for 3 "the wildcard's name is open" reaches 198.18.101.3
# shellcheck disable=SC2016  # the same
for name in 'a b' "a'b" 'a"b' 'a;touch /hacked' '$(touch /hacked)' "$(head -c 63 /dev/zero | tr '\0' a)"; do
    on device dig +short +tries=1 +time=1 "$name.wild.example" @198.18.100.54 >"$LAB/last" 2>&1 || :
done
check "nothing was executed" test ! -e "$LAB/hacked" -a ! -e /hacked
check "it runs" connmgr_runs
stop_connmgr

rm "$LAB/etc/whitelist"
start_connmgr --resolver 198.18.100.54
check "no whitelist: one error" test "$(grep -c '^<3>.*whitelist' "$LAB/connmgr.log")" = 1
wait_for 5 "locked, and links are confirmed" state eth0 ITFUP_SS
stop_connmgr

awk 'BEGIN { print "echo.example\none.example"
    for (i = 0; i < 3330; i++) printf "service-%d.nowhere.example\ncdn%d-*.nowhere.example\n198.19.%d.%d\n", i, i, i / 256, i % 256 }' >"$LAB/etc/whitelist"
begun=$(now)
start_connmgr --resolver 198.18.100.54
wait_for 5 "9,992 entries: locked" log_has 'locked in'
echo "# $(($(now) - begun)) hundredths"
wait_for 5 "an exact name of them is open" reaches 198.18.101.1
wait_for 3 "an address of them, too" left_between 198.19.13.1 0 0
resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$CONNMGR_PID/status")
check "resident: $resident KiB of at most 16,000" test "$resident" -le 16000
