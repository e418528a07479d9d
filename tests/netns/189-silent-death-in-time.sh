#!/bin/sh
# The upstream dies silently while an application talks over it, with TCP or DNS questions. The daemon notices
# the first unanswered segment or question, and Wi-Fi is in use within 4 s; the median is within 2.5 s.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 6 60
# Seven other tests run beside this one by `make test`.
limit=9000 median_limit=5000
[ -z "${SOAK:-}" ] || limit=4000 median_limit=2500
lab_up
: >"$LAB/times"
for round in $(seq "$HOW_MUCH"); do
    start_connmgr
    poll 30 settled
    if [ $((round % 2)) = 1 ]; then application tcp; else application dns; fi
    at_random 2
    upstream_dead eth0
    poll 14 in_use wlan0 || :
    took=$(unanswered_for wlan0 || echo 20000)
    echo "$took" >>"$LAB/times"
    check "round $round: after $took ms wlan0 takes over, at most $limit" test "$took" -le "$limit"
    application_ends
    stop_connmgr
    upstream_alive eth0
done
median=$(sort -n "$LAB/times" | sed -n "$(((HOW_MUCH + 1) / 2))p")
check "the median is $median ms, at most $median_limit" test "$median" -le "$median_limit"
check "LTE was never touched" lte_untouched
