#!/bin/sh
# Flows of a host behind the device, masqueraded or translated to the old link's address, and flows that the
# cloud began: the switch deletes their conntrack entries, so that the host's next packet leaves with the new
# address.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 (old), wlan0 (new)
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
lab_up
host_behind
# MASQUERADE notices by itself that a flow has moved to another device; SNAT never does.
on device iptables -w -t nat -I POSTROUTING -o eth0 -p udp -j SNAT --to-source 198.18.1.2
on device iptables -w -t nat -I POSTROUTING -o wlan0 -p udp -j SNAT --to-source 198.18.2.2
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/listener.log" 2>&1 &
start_connmgr
wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled

for talk in tcp udp tcp6 udp6; do
    case $talk in *6) address=2001:db8:100::11 ;; *) address=198.18.100.11 ;; esac
    on host "$LABTOOL" talk "${talk%6}" "$address" 80 50 >"$LAB/talk.$talk" &
done
on device "$LABTOOL" talk tcp 198.18.100.11 80 50 >"$LAB/talk.own" &
on cloud "$LABTOOL" talk tcp 198.18.1.2 7001 50 >"$LAB/talk.caller" &
for talk in tcp udp tcp6 udp6 own caller; do
    wait_for 3 "$talk: gets its answers" grep -q ' answer' "$LAB/talk.$talk"
done
# entries FAMILY: prints the entries that still lead to the old link.
entries() {
    on device conntrack -L -f ipv4 2>/dev/null | grep -E 'dport=(80|7001) ' | grep -F 198.18.1.2
    on device conntrack -L -f ipv6 2>/dev/null | grep -E 'dport=80 ' | grep -F 2001:db8:1::2
}
check "conntrack has all of them" test "$(entries | wc -l)" -ge 6

unplug eth0
# From here on every answer comes over another link.
for talk in udp udp6; do wc -l <"$LAB/talk.$talk" >"$LAB/lines.$talk"; done
wait_for 3 "wlan0 takes over" in_use wlan0
answered_since() { tail -n +"$(($(cat "$LAB/lines.$1") + 1))" "$LAB/talk.$1" | grep -q ' answer'; }
answered_again() { sed '1,/lost/d' "$1" | grep -q ' answer'; }
wait_for 2 "udp: the host goes on over the new link" answered_since udp
wait_for 2 "udp6: the host goes on over the new link" answered_since udp6
wait_for 3 "tcp: the host has a new connection" answered_again "$LAB/talk.tcp"
wait_for 3 "tcp6: the host has a new connection" answered_again "$LAB/talk.tcp6"
wait_for 2 "own: the device has a new connection" answered_again "$LAB/talk.own"
none_left() {
    entries
    [ -z "$(entries)" ]
}
wait_for 3 "conntrack has none of the old ones" none_left
check "the log says what was ended" log_has 'ended 2 TCP and 0 UDP flows and [1-9][0-9]* conntrack entries over eth0'
