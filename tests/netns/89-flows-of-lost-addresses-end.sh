#!/bin/sh
# Sockets outlive their address: flows end also when the old link has lost its addresses, or its device is gone.
# takes 15 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
begin
talks="tcp/198.18.100.11 tcp/2001:db8:100::11 udp/198.18.100.11"
for talk in $talks; do
    on device "$LABTOOL" talk "${talk%/*}" "${talk#*/}" 80 50 >"$LAB/talk.${talk%/*}.${talk#*/}" &
done
for talk in $talks; do
    wait_for 3 "$talk: gets its answers" grep -q ' answer' "$LAB/talk.${talk%/*}.${talk#*/}"
done
# lost_times FILE N: true if the connection was lost at least N times, and gets answers again.
lost_times() { awk -v n="$2" '/lost/ { lost++; again = 0 } / answer/ { again = 1 } END { exit !(lost >= n && again) }' "$1"; }

# A DHCP renewal, which removes and restores address and route. (A busy machine may take too long for it.)
began=$(now)
ip -n device -4 address flush dev eth0
sleep 0.3
configure eth0
took=$(($(now) - began))
wait_for 2 "the address is back: eth0 is in use" in_use eth0
if [ "$took" -le 90 ]; then
    check "it has ended no TCP flow" not grep -q lost "$LAB"/talk.tcp.*
else
    skip "it was no renewal, it took ${took}0 ms"
fi

unconfigure eth0
wait_for 3 "eth0 has lost its addresses: wlan0 takes over" in_use wlan0
for talk in $talks; do
    wait_for 2 "$talk: answered over wlan0" lost_times "$LAB/talk.${talk%/*}.${talk#*/}" 1
done
wait_for 2 "the log says so" log_has 'ended 2 TCP and [01] UDP flows and 0 conntrack entries over eth0'

# (A UDP socket may have noticed by itself: sending without an address fails.)
ip -n device link delete wlan0
# For 10 s after the start LTE waits for links that are not up yet.
wait_for 12 "wlan0 is gone: wwan0 takes over" in_use wwan0
for talk in $talks; do
    wait_for 2 "$talk: answered over wwan0" lost_times "$LAB/talk.${talk%/*}.${talk#*/}" 2
done
wait_for 2 "the log says so" log_has 'ended 2 TCP and [01] UDP flows and 0 conntrack entries over wlan0'
