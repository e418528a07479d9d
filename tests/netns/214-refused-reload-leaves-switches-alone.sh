#!/bin/sh
# A reload is refused because netif_names is bad: the old names stay in force, also for the scripts, which
# read the same file. A bad whitelist and valid new names: neither is used.
# takes 15 s
. "$(dirname "$0")/lib.sh"

FIREWALL=
begin
echo "ETH_INTERFACE_0='eth/0'" >"$LAB/etc/netif_names"
refused() { ! ask reload >"$LAB/last" 2>&1; }
check "bad names: the reload is refused" refused
unplug eth0
wait_for 3 "bad names: a switch works all the same" in_use wlan0
wait_for 3 "bad names: and is finished" log_has 'switched to wlan0'
echo "ETH_INTERFACE_0='eth7'" >"$LAB/etc/netif_names"
echo '*.example extra;cmd' >"$LAB/etc/whitelist"
check "a bad whitelist: the reload is refused" refused
unplug wlan0
wait_for 3 "a bad whitelist: a switch works all the same" in_use wwan0
on device iptables -F
locked() { on device iptables -S INPUT | grep -q AFERO_ALLOW_SERVICE_INPUT; }
wait_for 10 "a bad whitelist: the firewall is repaired" locked
wait_for 5 "a bad whitelist: for the links in force" sh -c "nsenter --net=/run/netns/device iptables -S AFERO_ALLOW_SERVICE_INPUT | grep -q -- '-i eth0 '"
