#!/bin/sh
# Another program changes the default route without a pause, as fast as the kernel can: at most one repair a
# second, the daemon still answers, the log does not fill up, status reports it. When the program ends,
# everything is right.
# takes 25 s
. "$(dirname "$0")/lib.sh"

count() { grep -c "$1" "$LAB/connmgr.log" || :; }
processor() { awk '{ print $14 + $15 }' "/proc/$CONNMGR_PID/stat"; }

# storm SECONDS DESC LINES: gives the lines to ip again and again.
storm() {
    lines=$(wc -l <"$LAB/connmgr.log") repairs=$(count ' \?restoring the route') said=$(grep -vc '^<7>' "$LAB/connmgr.log" || :)
    used=$(processor) begin=$(now)
    : >"$LAB/storm"
    (while [ -e "$LAB/storm" ]; do printf '%s\n' "$3"; done | ip -n device -force -batch - >/dev/null 2>"$LAB/storm.errors") &
    storm=$!
    # Ask the daemon for its status during the whole time.
    asked=0
    while [ "$(now)" -lt $((begin + $1 * 100)) ]; do
        timeout 10 "$(connmgr_path)" status --run-dir "$LAB/run" >"$LAB/answer" || [ $? = 1 ] || { not_ok "$2: no answer in 10 s"; break; }
        asked=$((asked + 1))
        sleep 0.2
    done
    took=$(($(now) - begin))
    repairs=$(($(count ' \?restoring the route') - repairs)) used=$(($(processor) - used))
    lines=$(($(wc -l <"$LAB/connmgr.log") - lines)) said=$(($(grep -vc '^<7>' "$LAB/connmgr.log" || :) - said))
    rm "$LAB/storm"
    wait "$storm" || :

    check "$2: $repairs repairs in $took hundredths of a second, at most one a second" test $((repairs * 100)) -le $((took + 200))
    check "$2: some" test "$repairs" -ge 1
    check "$2: $said lines of the log, at most 40 (with those of -v $lines, at most 200)" test "$said" -le 40 -a "$lines" -le 200
    check "$2: $used hundredths of a second of a processor, at most a fifth of the time; status was asked $asked times" \
        test "$used" -le $((took / 5))
    check "$2: status says it" status_has '^routes +changed by others and restored ([0-9]+ times|once), last [0-9]+ m?s ago'
    check "$2: connmgr runs" connmgr_runs
}
# Rule 7: a link to which switching has failed twice in a row is out of the choice for up to a minute.
ends() {
    # The storm may have ended between two steps. (For the kernel "metric 0" in an IPv4 deletion means any
    # metric.)
    ip -n device route replace default via 198.18.1.1 dev eth0 metric 10
    ip -n device route replace default via 198.18.2.1 dev wlan0 metric 20
    wait_for 70 "$1: it has ended, and eth0 is in front" settled
    check "$1: the network works" on device ping -c 1 -W 2 198.18.100.8
}

begin
storm 8 "another default comes in front and goes" \
    "route prepend default via 198.18.2.1 dev wlan0
route delete default via 198.18.2.1 dev wlan0 metric 0"
ends "another default"
storm 8 "the default goes and comes back behind" \
    "route delete default dev eth0
route add default via 198.18.1.1 dev eth0 metric 10"
ends "the default goes"
check "metrics count it" metrics_have '^connmgr_route_repairs_total [1-9]'
