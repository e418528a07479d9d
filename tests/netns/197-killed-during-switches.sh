#!/bin/sh
# SIGKILL at random moments of switches: no link loses its default, and the next run completes or undoes the
# work. SOAK=1: until 200 switches were killed; else 40 rounds.
# takes 60 s, busy
. "$(dirname "$0")/lib.sh"

lab_up
rounds=40 kills=1
[ -z "${SOAK:-}" ] || rounds=200 kills=200
# Routes of all kinds: with metrics, a nexthop object, a group of them, advertised, over two links, for some
# sources only, and those that do not forward packets.
ip -n device -batch - <<'END2'
route replace default via 198.18.1.1 dev eth0 metric 10 proto dhcp src 198.18.1.2 mtu 1400
nexthop add id 12 via 198.18.2.1 dev wlan0
route del default via 198.18.2.1 dev wlan0 metric 20
route add default nhid 12 metric 20
route add default proto 77 metric 700 nexthop via 198.18.1.1 dev eth0 nexthop via 198.18.2.1 dev wlan0
route add blackhole default metric 4000
route add prohibit default metric 4001
route add throw default metric 4002
route add unreachable default metric 4003
route add default via 198.18.9.1 dev wlan0 onlink metric 4004
nexthop add id 13 dev wwan0
nexthop add id 19 group 12/13
route add default nhid 19 metric 800
END2
ip -n device -6 nexthop add id 22 via 2001:db8:2::1 dev wlan0
ip -n device -6 nexthop add id 23 dev wwan0
ip -n device nexthop add id 29 group 22/23
ip -n device -6 -batch - <<'END2'
route del default via 2001:db8:1::1 dev eth0 metric 10
route add default via 2001:db8:1::1 dev eth0 proto ra metric 1024 expires 6000
route add default from 2001:db8:2::/64 via 2001:db8:2::1 dev wlan0 metric 512
route add unreachable default metric 4000
route add blackhole default metric 4001
route add prohibit default metric 4002
route add throw default metric 4003
route add default nhid 22 metric 700
route add default nhid 29 metric 800
END2

route_to() { nsenter --net=/run/netns/device "$(connmgr_path)" route --config-dir "$LAB/etc" --run-dir "$LAB/run" "$1" >"$LAB/said" 2>&1; }
defaults() {
    { ip -n device -4 route show default; ip -n device -6 route show default; } | sed 's/ *$//; s/ pref medium//; s/ expires [0-9]*sec//; s/ dead\>//g; s/ linkdown\>//g; s/ *$//'
}
# others: the defaults without their metrics, and without connmgr's own copies.
others() { defaults | tr '\n' '~' | sed 's/~\([ \t]\)/\1/g' | tr '~' '\n' | grep -v 'proto 175' | sed 's/ metric [0-9]*//' | sort -u; }
nothing_lost() { [ -z "$(others | comm -13 - "$LAB/all")" ] || { others | comm -13 - "$LAB/all"; return 1; }; }
# as_it_should_be [FILE]: the result is the same as without an interruption.
as_it_should_be() {
    defaults >"$LAB/found"
    diff "${1:-$LAB/expected}" "$LAB/found"
}

mkdir -p "$LAB/run"
others >"$LAB/all"
check "there are routes of all kinds" test "$(wc -l <"$LAB/all")" -ge 20
# The daemon also puts standby routes before one that hides them from bound sockets (an object's, a blackhole).
start_connmgr
wait_for 10 "the daemon: eth0 is in use, it and wlan0 are confirmed" settled
defaults >"$LAB/expected.daemon"
stop_connmgr
for link in eth0 wlan0 wwan0 eth0; do route_to "$link" || not_ok "$link: $(cat "$LAB/said")"; done
check "without an interruption: no route is lost" nothing_lost
defaults >"$LAB/expected"
check "eth0 is in front, IPv4" grep -qx 'default via 198.18.1.1 dev eth0 proto dhcp src 198.18.1.2 mtu 1400' "$LAB/expected"
check "eth0 is in front, IPv6" grep -qx 'default via 2001:db8:1::1 dev eth0 proto 175 metric 1' "$LAB/expected"
lost=0 wrong=0 cut=0 round=0
while [ "$round" -lt "$rounds" ] || { [ "$cut" -lt "$kills" ] && [ "$round" -lt $((rounds * 3)) ]; }; do
    round=$((round + 1))
    for link in wlan0 wwan0; do
        nsenter --net=/run/netns/device "$(connmgr_path)" route --config-dir "$LAB/etc" --run-dir "$LAB/run" "$link" >/dev/null 2>&1 &
        killed=$!
        sleep "0.00$((round % 10))$((round * 7 % 10))"
        kill -KILL "$killed" 2>/dev/null && cut=$((cut + 1))
        wait "$killed" 2>"$LAB/last" || :
        nothing_lost || lost=$((lost + 1))
    done
    route_to eth0
    as_it_should_be || wrong=$((wrong + 1))
done
check "$cut of $((2 * round)) switches were killed, at least $kills; $lost times a link had lost its default" \
    test "$lost" = 0 -a "$cut" -ge "$kills"
check "$wrong times the next switch did not put everything right" test "$wrong" = 0

# The daemon itself, killed while it moves from eth0 to wlan0. The next start completes or undoes it.
round=0 lost=0 cut=0 wrong=0
while [ "$round" -lt $((rounds / 4)) ]; do
    round=$((round + 1))
    start_connmgr
    poll 20 in_use eth0 || not_ok "round $round: eth0 is not in use"
    poll 10 as_it_should_be "$LAB/expected.daemon" || wrong=$((wrong + 1))
    ip -n r-eth link set lan down
    # A switch takes about a millisecond, as does the end of `ip`: kill at once, or up to 2 ms later.
    case $((round % 4)) in
        0) ;;
        *) pause "0.00$((round * 7 % 20 / 10))$((round * 7 % 10))" ;;
    esac
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    nothing_lost || lost=$((lost + 1))
    in_use wlan0 || cut=$((cut + 1))
    ip -n r-eth link set lan up
    poll 5 ip -n device link show eth0 up
done
check "the daemon is killed, $cut times before the new route was in front: $lost times a link had lost its default" test "$lost" = 0
check "$wrong times the next start did not put everything right" test "$wrong" = 0
start_connmgr
wait_for 10 "in the end eth0 is in use, it and wlan0 are confirmed" settled
wait_for 5 "and everything is as it should be" as_it_should_be "$LAB/expected.daemon"
