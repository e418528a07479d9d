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

# A deleted route was deleted on purpose: do not restore it.
ip -n device -6 route del default via 2001:db8:2::1 dev wlan0
gone() { [ -z "$(ip -n device -6 route show default dev wlan0)" ]; }
stays 3 "a default that was deleted stays away" gone
check "eth0 was never taken for failed" not log_has '^<[0-7]> ?using (wlan0|wwan0)'
