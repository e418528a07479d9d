#!/bin/sh
# After the work of a day the daemon is as small as before, with all features on, and 20 or 10,000 whitelist
# entries. With 25,000 holes, or repeated reloads of the longest whitelist, it is larger, but does not grow
# further and does not end.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/attrd.sh"
. "$NETNS_DIR/application.sh"
. "$NETNS_DIR/day.sh"

soak 2 10

# whole_day ENTRIES LIMIT: $HOW_MUCH tenths of a day; the limit is in kB.
whole_day() {
    for tenth in $(seq "$HOW_MUCH"); do
        tenth_of_a_day
        wait_for 10 "$1 entries, tenth $tenth of a day: at most $2 kB" memory_at_most "$2"
        [ "$tenth" != 1 ] || first=$(memory Rss)
    done
    wait_for 10 "$1 entries: no more than after the first" memory_at_most $((first + 256))
    check "$1 entries: connmgr runs" connmgr_runs
    echo "# $1 entries: RSS $(memory Rss) kB, PSS $(memory Pss), private and dirty $(memory Private_Dirty), most $(memory VmHWM)"
}

# reads_again LIMIT
reads_again() {
    for again in 1 2 3; do
        check "read again ($again)" ask reload
    done
    wait_for 10 "at most $1 kB" memory_at_most "$1"
    check "connmgr runs" connmgr_runs
}

lab_up
day_up 20
whole_day 20 7000

awk 'BEGIN { for (i = 0; i < 10000; i++) print i % 10 ? "*.service-" i ".example" : "10." int(i / 256) % 256 "." i % 256 ".0/24" }' \
    >>"$LAB/etc/whitelist"
restart_connmgr --resolver 198.18.100.55 --dns hold
poll 60 log_has "locked in .*DNS: "
whole_day 10000 8000

on device "$LABTOOL" rate 198.18.100.55 n#.fresh.example n#.foreign.example 5000 10 1 >"$LAB/last"
check "25,000 holes or nearly so are open" metrics_have '^connmgr_holes [12][0-9]{4}$'
reads_again 20480

awk 'BEGIN { for (i = 0; i < 60000; i++) print "*.s" i ".example" }' >>"$LAB/etc/whitelist"
echo "# a whitelist of $(wc -c <"$LAB/etc/whitelist") bytes"
reads_again 49152
