#!/bin/sh
# Another program replaces the preferred default with one that forwards nothing, or with another link's: it is
# repaired at once, and no link counts as failed.
# takes 15 s
. "$(dirname "$0")/lib.sh"

repairs() { grep -cE '^<[0-7]> ?restored the route over eth0' "$LAB/connmgr.log" || :; }
repaired() { [ "$(repairs)" -gt "$before" ]; }

begin
for kind in blackhole unreachable prohibit throw; do
    before=$(repairs)
    ip -n device route replace "$kind" default
    wait_for 3 "$kind default: repaired" repaired
    check "$kind default: eth0 is in front" in_use eth0
    before=$(repairs)
    ip -n device -6 route replace "$kind" default metric 1
    wait_for 3 "$kind default of IPv6: repaired" repaired
    check "$kind default of IPv6: eth0 is in front" in_use6 eth0
done
check "the log says what was found" log_has 'restoring the route over eth0: found IPv4 default one that sends nothing on'

# netifd does this for networks without a metric: each link's default replaces the previous one.
before=$(repairs)
ip -n device route replace default via 198.18.2.1 dev wlan0
wait_for 3 "wlan0's default replaces eth0's: repaired" repaired
check "eth0 is in front" in_use eth0
wlan0_behind() { ip -n device -4 route show default | grep -q 'via 198.18.2.1 dev wlan0 metric 20'; }
wait_for 3 "wlan0 stands at its own metric" wlan0_behind

# The default of a link that is not in use.
ip -n device route replace default via 198.18.1.9 dev eth0 metric 20
wlan0_there() { ip -n device -4 route show default | grep -q 'via 198.18.2.1 dev wlan0 metric'; }
wait_for 5 "the default of wlan0 is replaced by another: it is restored" wlan0_there
check "and the log says so" log_has 'restored at metric [0-9]+: default via 198.18.2.1 dev wlan0: another program had replaced it'
ip -n device route del default via 198.18.1.9 dev eth0 metric 20
# restored FAMILY LINK ARGS...: another program replaces the link's default with ARGS; the default must return.
has_default() { ip -n device "-$1" route show default dev "$2" | grep -q default; }
restored() {
    family=$1 link=$2
    shift 2
    check "$link has a default of IPv$family" has_default "$family" "$link"
    ip -n device "-$family" route replace "$@"
    wait_for 5 "$link: its default of IPv$family was replaced ($*): it is restored" \
        has_default "$family" "$link"
}
metric_of_default() {
    ip -n device "-$1" route show default dev "$2" | sed -n 's/.* metric \([0-9]*\).*/\1/p' | head -n 1
}
restored 4 wwan0 default via 198.18.1.9 dev eth0 metric "$(metric_of_default 4 wwan0)"
ip -n device route del default via 198.18.1.9 dev eth0
restored 6 wlan0 default via 2001:db8:1::9 dev eth0 metric "$(metric_of_default 6 wlan0)"
ip -n device -6 route del default via 2001:db8:1::9 dev eth0
restored 4 wlan0 blackhole default metric "$(metric_of_default 4 wlan0)"
ip -n device route del blackhole default

# A deleted route was deleted on purpose: do not restore it.
ip -n device -6 route del default via 2001:db8:2::1 dev wlan0
gone() { [ -z "$(ip -n device -6 route show default dev wlan0)" ]; }
stays 3 "a default that was deleted stays away" gone
check "eth0 was never taken for failed" not log_has '^<[0-7]> ?using (wlan0|wwan0)'

# The same by other forms: change, a route before it, a nexthop object that drops, a part of a multipath route.
# restores_after FAMILY DESC ARGS...: the command of ip changes what is in front.
restores_after() {
    family=$1 what=$2 before=$(repairs) front=in_use
    [ "$family" = 4 ] || front=in_use6
    shift 2
    ip -n device "-$family" route "$@"
    wait_for 3 "$what: repaired" repaired
    check "$what: eth0 is in front" "$front" eth0
}
restores_after 4 "changed to a blackhole" change blackhole default
restores_after 4 "a blackhole before it" prepend blackhole default
restores_after 4 "a gateway of another link before it" prepend default via 198.18.2.1 dev wlan0
restores_after 4 "two links at once" replace default nexthop via 198.18.2.1 dev wlan0 nexthop dev wwan0
restores_after 6 "changed to unreachable, IPv6" change unreachable default metric 1
restores_after 6 "wlan0 in its place, IPv6" replace default via 2001:db8:2::1 dev wlan0 metric 1
restores_after 6 "two routers of wlan0 at once, IPv6" \
    replace default metric 1 nexthop via 2001:db8:2::1 dev wlan0 nexthop via 2001:db8:2::9 dev wlan0
ip -n device nexthop add id 66 blackhole
ip -n device -6 nexthop add id 67 blackhole
restores_after 4 "a nexthop object that drops" replace default nhid 66
restores_after 6 "a nexthop object that drops, IPv6" replace default nhid 67 metric 1
check "the cloud answers" on device ping -c 1 -W 2 198.18.100.8
check "by IPv6, too" on device ping -6 -c 1 -W 2 2001:db8:100::8
check "eth0 was never taken for failed" not log_has '^<[0-7]> ?using (wlan0|wwan0)'
