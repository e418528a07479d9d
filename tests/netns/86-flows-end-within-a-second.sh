#!/bin/sh
# When the cable is pulled, an application's long connection is ended, and it gets answers over the other link
# within a second: TCP and connected UDP, IPv4, IPv6, and IPv4 from an IPv6 socket.
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
begin
talks="tcp/198.18.100.11 tcp/2001:db8:100::11 tcp/::ffff:198.18.100.11"
talks="$talks udp/198.18.100.11 udp/2001:db8:100::11 udp/::ffff:198.18.100.11"
file() { echo "$LAB/talk.${1%/*}.${1#*/}"; }
for talk in $talks; do
    on device "$LABTOOL" talk "${talk%/*}" "${talk#*/}" 80 50 >"$(file "$talk")" &
done
for talk in $talks; do
    wait_for 3 "$talk: an application gets its answers" grep -q ' answer' "$(file "$talk")"
done
unplug eth0
answered_again() { sed '1,/lost/d' "$1" | grep -q ' answer'; }
for talk in $talks; do
    wait_for 3 "$talk: lost, and answered over the new link" answered_again "$(file "$talk")"
done
# In milliseconds, from one answer to the next.
longest_gap() { awk '/ answer/ { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { print int(gap / 1000) }' "$1"; }
for talk in $talks; do
    # On an idle machine it is a tenth of a second.
    check "$talk: $(longest_gap "$(file "$talk")") ms without an answer, at most 3000" \
        test "$(longest_gap "$(file "$talk")")" -le 3000
done
check "the log says what was ended" log_has 'ended 3 TCP and 3 UDP flows and 0 conntrack entries over eth0'

# No link is left to switch to: connections over wlan0 are left alone.
wait_for 5 "wlan0 is in use" in_use wlan0
ip -n device link set wwan0 down
lines=$(wc -l <"$LAB/connmgr.log")
unplug wlan0
ended_more() { tail -n +"$((lines + 1))" "$LAB/connmgr.log" | grep -q 'ended .* flows'; }
stays 3 "without another link nothing is ended" not ended_more
