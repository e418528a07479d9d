#!/bin/sh
# Ethernet and Wi-Fi die in silence at the same time, while an application talks: on LTE within 8 s.
# takes 20 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 2 20
limit=14000 # the processors are shared with the tests beside this one
[ -z "${SOAK:-}" ] || limit=8000
lab_up
for round in $(seq "$HOW_MUCH"); do
    start_connmgr
    poll 30 settled
    if [ $((round % 2)) = 1 ]; then application tcp; else application dns; fi
    at_random 2
    upstream_dead wlan0
    upstream_dead eth0
    poll 16 in_use wwan0 || :
    took=$(unanswered_for wwan0 || echo 20000)
    check "round $round: after $took ms LTE takes over, at most $limit" test "$took" -le "$limit"
    application_ends
    stop_connmgr
    upstream_alive wlan0
    upstream_alive eth0
done
