#!/bin/sh
# Any number of links: two Ethernet ports, Wi-Fi, two modems that are point-to-point devices without gateway.
# They take over in order; PREFER changes the order; METERED and UNMETERED say what costs money; a role may be
# empty; one link alone works, none at all is an error.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

names() { printf '%s\n' "$@" >"$LAB/etc/netif_names"; }
more() { names "ETH_INTERFACE_1='eth1'" "WAN_INTERFACE_1='wwan1'" "$@"; }
reload() { ask reload >"$LAB/said" 2>&1; }
order_is() { [ "$(ask status | sed -nE 's/^((eth|wlan|wwan)[0-9]) .*/\1/p' | paste -s -d ' ' -)" = "$1" ]; }
# standby_is LINK...: the kernel's default routes, best first; the first has metric 0.
standby_is() {
    [ "$(ip -n device -4 route show default | sed -E '/metric/! s/$/ metric 0/; s/.* dev ([a-z0-9]+) .*metric ([0-9]+).*/\2 \1/' |
        sort -n | cut -d ' ' -f 2 | paste -s -d ' ' -)" = "$*" ]
}
value_is() { [ "$(attrc get "$1" | awk '{ print $NF }')" = "$2" ]; }

lab_up
more_link eth1
more_link wwan1
start_attrd
more
start_connmgr
check "all five are monitored" log_has '^<6> ?monitoring eth0, eth1, wlan0, wwan0, wwan1 '
wait_for 5 "eth0 is in use" in_use eth0
for link in eth0 eth1 wlan0; do wait_for 5 "$link is confirmed" state $link ITFUP_SS; done
wait_for 5 "the standby routes are in the daemon's order" standby_is eth0 eth1 wlan0 wwan0 wwan1
check "status has them in that order" order_is "eth0 eth1 wlan0 wwan0 wwan1"
check "status --json agrees with its schema" status_is_valid
check "metrics: the second port is an Ethernet, too" metrics_have 'link="eth1",kind="ethernet"'

unplug eth0
wait_for 3 "eth0 is pulled: eth1" in_use eth1
wait_for 3 "IPv6, too" in_use6 eth1
check "the attributes tell of eth1" value_is 65059 02
unplug eth1
wait_for 3 "eth1 is pulled: wlan0" in_use wlan0
unplug wlan0
wait_for 3 "wlan0 is gone: the first modem" in_use wwan0
unplug wwan0
wait_for 5 "the first modem is gone: the second" in_use wwan1
check "the cloud answers over it" on device ping -c 1 -W 2 198.18.100.8
plug wwan0
wait_for 20 "the first modem is back" in_use wwan0
plug wlan0
wait_for 5 "wlan0 is back" in_use wlan0
plug eth1
wait_for 25 "eth1 is back" in_use eth1
plug eth0
wait_for 25 "eth0 is back" in_use eth0

more "PREFER='wlan0 eth1'"
check "a reload with PREFER" reload
check "it is said" grep -q '^PREFER: none -> wlan0 eth1$' "$LAB/said"
wait_for 10 "wlan0 is preferred now" in_use wlan0
wait_for 5 "so are the standby routes" standby_is wlan0 eth1 eth0 wwan0 wwan1
check "status has that order" order_is "wlan0 eth1 eth0 wwan0 wwan1"
check "eth0 keeps its state" not log_has '^<[0-7]> ?eth0: ITFDOWN.*lost its device'

more "METERED='eth0 wlan0'" "UNMETERED='wwan1'"
check "a reload: eth0 and wlan0 cost money, wwan1 does not" reload
wait_for 10 "eth1 is in use" in_use eth1
wait_for 10 "wwan1 is probed" state wwan1 ITFUP_SS
unplug eth1
wait_for 10 "eth1 is pulled: wwan1, before the links that cost money" in_use wwan1
plug eth1
wait_for 25 "eth1 is back" in_use eth1

names "ETH_INTERFACE_0=''" "WIFISTA_INTERFACE_0=''"
check "a reload: one modem alone" reload
wait_for 5 "it is in use" in_use wwan0
check "it is the only link" order_is wwan0
check "no Ethernet is told" value_is 65059 00
unplug wwan0
wait_for 3 "it is pulled: none is in use" log_has '^<[0-7]> ?in use: none'
plug wwan0
wait_for 10 "it is back" in_use wwan0

names "ETH_INTERFACE_0=''" "WIFISTA_INTERFACE_0=''" "WAN_INTERFACE_0=''"
check "no link at all: a reload is refused" exits 78 ask reload
check "it says why" said_has 'netif_names:3: there is no link: '
check "check says it, too" exits 78 "$(connmgr_path)" check -d --config-dir "$LAB/etc" --run-dir "$LAB/run"
check "with the line" said_has 'netif_names:3: there is no link: '
wait_for 5 "wwan0 stays in use" in_use wwan0
stop_connmgr
spawn_connmgr
status=0
wait "$CONNMGR_PID" || status=$?
check "a start ends with 78" test "$status" = 78

# The lockdown knows each link: probes and DHCP pass, and no other.
names "ETH_INTERFACE_0=''" "ETH_INTERFACE_1='eth1'" "WIFISTA_INTERFACE_0=''" "WAN_INTERFACE_1='wwan1'" "BRIDGE_INTERFACE_0=''"
echo echo.example >"$LAB/etc/whitelist"
rules_have() {
    if [ "$BACKEND" = nft ]; then on device nft list ruleset; else on device iptables -S; fi >"$LAB/rules"
    grep -E -- "$1" "$LAB/rules"
}
for BACKEND in nft iptables; do
    FIREWALL=
    start_connmgr --wan-probe always
    wait_for 15 "$BACKEND: it locks" log_has '^<[0-7]> ?locked in '
    for link in eth1 wwan0 wwan1; do wait_for 15 "$BACKEND: $link is confirmed" state $link ITFUP_SS; done
    check "$BACKEND: DHCP on eth1" rules_have 'eth1.*sport 67'
    check "$BACKEND: nothing of eth0, which is no link, and of no bridge" not rules_have 'eth0|br-apnet|-[io] -|""'
    stop_connmgr
    on device "$(connmgr_path)" unlock --script-dir "$REPO/scripts" --run-dir "$LAB/run" >"$LAB/said" 2>&1
done
