#!/bin/sh
# eth0's upstream dies and revives every 7 s while an application talks; Wi-Fi works. Measures the number of
# switches, and the longest time without answers.
# takes 85 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 60 600
begin
application tcp
before=$(moves) end=$(($(now) + 100 * HOW_MUCH))
while [ "$(now)" -lt "$end" ]; do
    upstream_dead eth0
    sleep 7
    upstream_alive eth0
    sleep 7
done
moved=$(($(moves) - before))
# The limits of the contract: 27 switches an hour, 16 s.
check "$moved switches in $HOW_MUCH s, at most $((3 + HOW_MUCH / 120))" test "$moved" -le $((3 + HOW_MUCH / 120))
check "$(longest_gap) ms without an answer, at most 16000" test "$(longest_gap)" -le 16000
check "LTE was never touched" lte_untouched
