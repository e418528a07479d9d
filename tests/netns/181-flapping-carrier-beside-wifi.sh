#!/bin/sh
# eth0's carrier goes and comes every 3 s, Wi-Fi works: at most 3 switches, and the application never waits
# for a second.
# takes 50 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 45 300
limit=3000 # the processors are shared with the tests beside this one
[ -z "${SOAK:-}" ] || limit=1000
begin
application tcp
before=$(moves) end=$(($(now) + 100 * HOW_MUCH))
while [ "$(now)" -lt "$end" ]; do
    unplug eth0
    sleep 1.5
    plug eth0
    sleep 1.5
done
moved=$(($(moves) - before))
check "$moved switches in $HOW_MUCH s, at most 3" test "$moved" -le 3
check "it moved at all" test "$moved" -ge 1
check "$(longest_gap) ms without an answer, at most $limit" test "$(longest_gap)" -le "$limit"
check "LTE was never touched" lte_untouched
