#!/bin/sh
# netif_names is changed and reloaded: all of it takes effect, or nothing; unchanged links are left alone.
# takes 10 s
. "$(dirname "$0")/lib.sh"

names() { printf '%s\n' "$@" >"$LAB/etc/netif_names"; }
reload() { # STATUS REGEX: what it says, and how it ends
    lab_status=0
    ask reload >"$LAB/said" 2>&1 || lab_status=$?
    cat "$LAB/said"
    [ "$lab_status" = "$1" ] && grep -qE -- "$2" "$LAB/said"
}
descriptors() { find "/proc/$CONNMGR_PID/fd" -type l | wc -l; }
none_left() { [ "$(descriptors)" -le "$had" ]; }

begin
check "the same names: nothing has changed, 0" reload 0 '^nothing has changed$'
had=$(descriptors)

names "WIFISTA_INTERFACE_0='wlan0'" "ETH_INTERFACE_0='eth/7'" "WAN_INTERFACE_0='wwan1'"
check "a bad line: 78, and it says where" reload 78 "/etc/netif_names:2: ETH_INTERFACE_0: not an interface name"
check "it says that nothing is changed" grep -q "^refused: the old configuration stays in force$" "$LAB/said"
check "the good lines beside it have not been taken" status_has '^wwan0 +ITFUP_SS'
check "events: refused" events_have ' reload +reload refused: the old configuration stays in force$'
check "events: why" events_have ' reload +reload: .*/netif_names:2: ETH_INTERFACE_0: not an interface name'
rm "$LAB/etc/netif_names" && mkdir "$LAB/etc/netif_names"
check "a file that cannot be read: 78" reload 78 "/etc/netif_names: "
rmdir "$LAB/etc/netif_names"
wait_for 3 "nothing was disturbed" none_left
check "nothing was decided anew" test "$(switches)" = 1

names "ETH_INTERFACE_0='wlan0'" "WIFISTA_INTERFACE_0='eth0'"
check "names exchanged: 0" reload 0 '^ETH_INTERFACE_0: eth0 -> wlan0$'
check "both changes are said" grep -q "^WIFISTA_INTERFACE_0: wlan0 -> eth0$" "$LAB/said"
wait_for 5 "wlan0 is Ethernet now, and in use" in_use wlan0
wait_for 5 "wlan0 is in use for IPv6" in_use6 wlan0
first_is() { [ "$(ask status | grep -E '^[a-z]+[0-9] ' | head -n 1 | cut -d ' ' -f 1)" = "$1" ]; }
check "status shows it first" first_is wlan0
confirmed() { [ "$(status_has "^$1 +ITFUP_SS" | wc -l)" = 1 ]; }
wait_for 5 "both are confirmed: wlan0" confirmed wlan0
wait_for 5 "both are confirmed: eth0" confirmed eth0
check "wwan0 was left alone" not log_has '^<[0-7]> ?wwan0: ITFUP_SS ->'
wait_for 3 "no descriptor is left behind" none_left

names "ETH_INTERFACE_0='eth9'" "WIFISTA_INTERFACE_0='eth0'"
kill -HUP "$CONNMGR_PID"
wait_for 3 "SIGHUP: the same" log_has '^<6>reload: ETH_INTERFACE_0: wlan0 -> eth9$'
wait_for 5 "eth9 is not there, so eth0 is in use" in_use eth0
check "eth0 was left alone" confirmed eth0
check "wlan0 is no link any more" not status_has '^wlan0 '
ip -n device -batch - <<END
link set wlan0 down
link set wlan0 name eth9
link set eth9 up
address replace 198.18.2.2/24 dev eth9
address replace 2001:db8:2::2/64 dev eth9
route replace 0.0.0.0/0 via 198.18.2.1 dev eth9 metric 10
route replace ::/0 via 2001:db8:2::1 dev eth9 metric 10
END
wait_for 5 "a device appears under the new name: it is in use" in_use eth9
wait_for 5 "it is confirmed" confirmed eth9

# The names that an init script got from the platform override netif_names, for the daemon and for scripts.
echo "ETH_INTERFACE_0='wlan9'" >"$LAB/run/netif_names"
check "names in the run directory count: 0" reload 0 '^ETH_INTERFACE_0: eth9 -> wlan9$'
echo "ETH_INTERFACE_0='eth0'" >"$LAB/run/netif_names"
check "they do not fit to the others: 78" reload 78 "/run/netif_names:1: ETH_INTERFACE_0 and WIFISTA_INTERFACE_0 are both 'eth0'"
rm "$LAB/run/netif_names"
check "without them: as netif_names has it" reload 0 '^ETH_INTERFACE_0: wlan9 -> eth9$'
