#!/bin/sh
# An upstream dies silently while an application talks, over TCP or by questions to a name server: unanswered
# packets make the daemon probe at once, and the traffic moves long before the idle limit. Two links that die
# together are both detected. Packets that are unanswered for other reasons cause no switch. For the times see
# make bench.
# takes 75 s
. "$(dirname "$0")/lib.sh"

begin
on cloud socat UDP4-RECVFROM:53,bind=198.18.100.11,fork PIPE >/dev/null 2>&1 &

# dies DESC TYPE PORT LIMIT LINK FROM...: the upstreams of FROM die; LINK must be in use within LIMIT.
dies() {
    dies_desc=$1 dies_type=$2 dies_port=$3 dies_limit=$4 dies_link=$5
    shift 5
    nsenter --net=/run/netns/device "$LABTOOL" talk "$dies_type" 198.18.100.11 "$dies_port" 50 >"$LAB/talk" &
    dies_talk=$!
    wait_for 5 "$dies_desc: an application talks" grep -q ' answer' "$LAB/talk"
    for dies_dead; do upstream_dead "$dies_dead"; done
    dies_began=$(now)
    wait_for "$dies_limit" "$dies_desc: $dies_link takes over" in_use "$dies_link"
    echo "# $dies_desc: $(($(now) - dies_began))0 ms"
    : >"$LAB/talk"
    wait_for 3 "$dies_desc: and the application has its answers" grep -q ' answer' "$LAB/talk"
    kill "$dies_talk"
    for dies_dead; do upstream_alive "$dies_dead"; done
    restart_connmgr
    wait_for 5 "$dies_desc: eth0 is in use again, it and wlan0 are confirmed" settled
}

dies "TCP" tcp 80 9 wlan0 eth0
dies "DNS" udp 53 9 wlan0 eth0
dies "both links at once" tcp 80 11 wwan0 eth0 wlan0

# An application calls a host that does not exist: the link is probed early, succeeds, and the pause before
# the next early probe doubles each time.
ip -n cloud route add blackhole 198.18.101.0/24
early() { grep -c 'probe of eth0: started: sent something' "$LAB/connmgr.log" || :; }
on device "$LABTOOL" talk udp 198.18.101.1 53 50 >"$LAB/nobody" &
is_probed_early() { [ "$(early)" -ge 1 ]; }
wait_for 8 "nobody answers: eth0 is probed early" is_probed_early
stays 25 "nobody answers: eth0 stays in use" in_use eth0
check "nobody answers: $(early) early probes in 30 s, at most 2" test "$(early)" -le 2
check "nobody answers: one decision" test "$(switches)" = 1
