#!/bin/sh
# After a loss of carrier the daemon changes the routes before it reads them again and before it writes its log, whose
# lines keep their order. If anything else has changed, it reads the routes first, and nothing is lost.
# takes 25 s
. "$(dirname "$0")/lib.sh"

command -v strace >/dev/null || { skip "no strace here"; exit 0; }

# trace: records what the daemon sends to the kernel, and what it writes.
trace() {
    strace -f -qq -s 64 -e trace=sendto,recvmsg,write -o "$LAB/trace" -p "$CONNMGR_PID" 2>"$LAB/strace" &
    STRACE_PID=$!
    poll 10 traced
}
traced() { grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$CONNMGR_PID/status"; }
untrace() {
    kill "$STRACE_PID" 2>"$LAB/last" || :
    wait "$STRACE_PID" 2>"$LAB/last" || :
}
# began: what the daemon did between the kernel's report of a device and the first message that changes a route. strace
# knows numbers only: RTM_NEWLINK is 0x10, RTM_NEWROUTE 0x18, RTM_GETROUTE 0x1a.
began() {
    awk '/recvmsg\(.*nlmsg_type=(0x10|RTM_NEWLINK)/ { n = 0 }
        /sendto\(.*nlmsg_type=(0x1a|RTM_GETROUTE)/ { did[++n] = "reads" }
        /write\(2,/ { did[++n] = "logs" }
        /sendto\(.*nlmsg_type=(0x18|RTM_NEWROUTE)/ { for (i = 1; i <= n; i++) print did[i]; print "switches"; exit }' "$LAB/trace"
}
begins_with() { [ "$(began | tr '\n' ' ')" = "$1 " ]; }
has() { ip -n device "-$1" route show default dev "$2" | grep -qE -- "$3"; }
# anew: a new daemon, because failures count against a link.
anew() {
    stop_connmgr || :
    plug eth0
    configure eth0
    start_connmgr
    poll 20 settled
}
# at_once COMMAND...: the daemon is stopped meanwhile, so that it reads about everything in one wake-up.
at_once() {
    kill -STOP "$CONNMGR_PID"
    "$@"
    kill -CONT "$CONNMGR_PID"
}

begin
trace
unplug eth0
wait_for 5 "a pulled cable: wlan0 takes over" in_use wlan0
wait_for 5 "a pulled cable: also IPv6" in_use6 wlan0
wait_for 5 "the log says so" log_has '^<[0-7]> ?in use: wlan0'
untrace
check "a pulled cable: the routes come first" begins_with switches
check "then they are read" grep -qE 'sendto\(.*nlmsg_type=(0x1a|RTM_GETROUTE)' "$LAB/trace"
sed -n '/lost carrier/,$s/^<[0-7]> \{0,1\}//p' "$LAB/connmgr.log" | sed -nE 's/^(eth0: ITF|using|IPv4: put back|IPv4: took over|IPv6: took over|switched|in use).*/\1/p' >"$LAB/order"
check "the lines of the log keep their order" diff - "$LAB/order" <<'END2'
eth0: ITF
using
IPv4: put back
IPv4: took over
IPv6: took over
switched
in use
END2
check "eth0 keeps its default, IPv4" has 4 eth0 'metric 10'
check "eth0 keeps its default, IPv6" has 6 eth0 'metric 10'
anew

# Another program has just moved and changed the route that is to take over.
changes() {
    ip -n device route delete default dev wlan0
    ip -n device route add default via 198.18.2.1 dev wlan0 metric 77 mtu 1400
    unplug eth0
}
trace
at_once changes
wait_for 5 "with a changed route: wlan0 takes over" in_use wlan0
untrace
check "with a changed route: they are read first" begins_with "reads switches"
check "with a changed route: it is the changed one" has 4 wlan0 'default via 198.18.2.1 mtu 1400'
wait_for 5 "with a changed route: the old one is gone" not has 4 wlan0 'metric'
check "with a changed route: eth0 keeps its default" has 4 eth0 'metric 10'
anew

ip -n device route delete default dev wlan0 metric 77 2>"$LAB/last" || :

# Both cables at once.
both() {
    unplug eth0
    unplug wlan0
}
at_once both
wait_for 5 "both cables: wwan0 takes over" in_use wwan0
for link in eth0 wlan0; do
    check "both cables: $link keeps its default, IPv4" has 4 "$link" metric
    check "both cables: $link keeps its default, IPv6" has 6 "$link" metric
done
plug wlan0
configure wlan0
anew

# A copy of a route that runs out must not live longer than the route, so its lifetime is read first.
ip -n device -6 route replace default via 2001:db8:2::1 dev wlan0 metric 20 expires 1000
trace
unplug eth0
wait_for 5 "with a lifetime: wlan0 takes over" in_use6 wlan0
untrace
check "with a lifetime: the routes are read first" begins_with "reads switches"
check "with a lifetime: it is kept" has 6 wlan0 'metric 1 expires (9[89][0-9]|1000)sec'
