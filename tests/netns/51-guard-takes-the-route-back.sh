#!/bin/sh
# The chosen default route disappears, or another one gets in front: the switch is repeated within 100 ms of
# the kernel's event, at most once a second, and the log says what was found.
# takes 25 s
. "$(dirname "$0")/lib.sh"

begin
ip -n device route prepend default via 198.18.2.1 dev wlan0
wait_for 3 "another default in front: eth0 is back in front" in_use eth0
ip -n device route delete default dev eth0
ip -n device route add default via 198.18.1.1 dev eth0 metric 10
wait_for 3 "a renewed default at its own metric: eth0 is back in front" in_use eth0
ip -n device -6 route delete default dev eth0
ip -n device -6 route add default via 2001:db8:1::1 dev eth0 metric 10
wait_for 3 "the same, IPv6" in_use6 eth0
stays 3 "eth0 stays in front" in_use eth0

# Ten disturbances, each followed by one repair.
nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
wait_for 2 "a program watches the kernel" grep -q watching "$LAB/events"
repairs() { grep -cE '^<[0-7]> ?restored the route over eth0' "$LAB/connmgr.log" || :; }
repaired() { [ "$(repairs)" -gt "$before" ]; }
for round in 1 2 3 4 5 6 7 8 9 10; do
    before=$(repairs)
    ip -n device route delete default dev eth0
    ip -n device route add default via 198.18.1.1 dev eth0 metric 10
    poll 10 repaired
    in_use eth0 || not_ok "round $round: eth0 is not in front"
    at_rest() { tail -n 1 "$LAB/events" | awk -v now="$(now)" '{ exit !(now * 10000 - $1 > 1100000) }'; }
    poll 3 at_rest # so that the next repair is not delayed
done
times=$(awk '/default4 eth0 metric 0 gone/ { gone = $1 } /default4 eth0 metric 0 new/ && gone { print int(($1 - gone) / 1000); gone = 0 }' \
    "$LAB/events" | sort -n | tr '\n' ' ')
# On an idle machine it is at most 100.
check "restored after $times ms: ten times, at most 1000" test "$(echo "$times" | wc -w)" = 10 -a "$(echo "$times" | awk '{ print $NF }')" -le 1000
check "the log says what was found" log_has 'restoring the route over eth0: found IPv4 default via 198.18.1.1 dev eth0 metric 10'

# If a program changes the route after each repair, there is one repair a second.
first=$(repairs) end=$(($(now) + 500))
while [ "$(now)" -lt "$end" ]; do
    before=$(repairs)
    ip -n device route delete default dev eth0
    ip -n device route add default via 198.18.1.1 dev eth0 metric 10
    poll 10 repaired
done
took=$((($(now) - end + 500) / 100)) made=$(($(repairs) - first))
check "$made repairs in $took s, one a second" test "$made" -ge $((took / 2)) -a "$made" -le $((took + 1))
wait_for 3 "in the end eth0 is in front" in_use eth0
check "wlan0 was never chosen" not log_has '^<[0-7]> ?using wlan0'

# The halves that a VPN adds, and the policy rules of other programs, are their owner's choice: the guard judges the
# defaults of the table main, and probes are bound to their link.
ip -n device -batch - <<END
link add tun0 type veth peer name peer0
link set peer0 up
link set tun0 up
address add 198.19.1.1/24 dev tun0
route add 0.0.0.0/1 dev tun0
route add 128.0.0.0/1 dev tun0
route add blackhole default table 77
rule add to 198.18.100.0/24 lookup 77 priority 1000
END
leaves_by() { ip -n device route get 198.19.9.9 | grep -q "dev $1 "; }
check "a VPN has the traffic" leaves_by tun0
before=$(repairs)
routes_before=$(ip -n device route show)
unplug wlan0
wait_for 3 "wlan0 is pulled" state wlan0 ITFDOWN_SU
ip -n device rule delete priority 1000
plug wlan0
wait_for 10 "wlan0 is confirmed over its own device, not over the VPN" state wlan0 ITFUP_SS
check "the guard has repaired nothing" test "$(repairs)" = "$before"
check "the VPN still has the traffic" leaves_by tun0
same_routes() { [ "$(ip -n device route show)" = "$routes_before" ]; }
wait_for 5 "the routes are the same" same_routes
