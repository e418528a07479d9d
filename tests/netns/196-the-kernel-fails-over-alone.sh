#!/bin/sh
# The daemon is stopped at the moment when the cable is pulled: the kernel itself uses the next link, for both
# families. The daemon restores the settings if another program changes them.
# takes 20 s
. "$(dirname "$0")/lib.sh"

setting() { on device cat "/proc/sys/net/$1/conf/$2/ignore_routes_with_linkdown"; }
is_set() { [ "$(setting ipv4 "$1")" = 1 ] && [ "$(setting ipv6 "$1")" = 1 ]; }
no_carrier() { on device cat /sys/class/net/eth0/carrier 2>/dev/null | grep -q 0 || ip -n device link show eth0 | grep -q NO-CARRIER; }
connects() { on device socat -u /dev/null "$1,connect-timeout=2"; }

begin
for link in eth0 wlan0 wwan0; do check "$link: routes without carrier are passed over" is_set "$link"; done
kill -STOP "$CONNMGR_PID"
ip -n r-eth link set lan down
wait_for 3 "eth0 has no carrier" no_carrier
check "a connection by IPv4 goes over the next link" connects TCP4:198.18.100.10:80
check "a connection by IPv6, too" connects 'TCP6:[2001:db8:100::10]:80'
check "nobody has moved a route" not in_use wlan0
kill -KILL "$CONNMGR_PID" 2>/dev/null || : # on a slow machine the watchdog has done so
wait "$CONNMGR_PID" 2>"$LAB/last" || :
start_connmgr
wait_for 3 "the next daemon does" in_use wlan0
wait_for 3 "by IPv6, too" in_use6 wlan0

# A later sysctl --system would do the same.
on device sh -c 'echo 0 >/proc/sys/net/ipv4/conf/wlan0/ignore_routes_with_linkdown
    echo 0 >/proc/sys/net/ipv6/conf/wwan0/ignore_routes_with_linkdown
    echo 1 >/proc/sys/net/ipv4/conf/wlan0/rp_filter'
wait_for 3 "the setting of wlan0 is put right" is_set wlan0
wait_for 3 "the setting of wwan0 is put right" is_set wwan0
loose() { [ "$(on device cat /proc/sys/net/ipv4/conf/wlan0/rp_filter)" = 2 ]; }
wait_for 3 "and the strict filter of wlan0" loose
check "the log says so" log_has 'wlan0: rp_filter was 1 \(strict\), set to 2'
# Those of all devices at once; and those of which the kernel reports no change.
all_set() { is_set eth0 && is_set wlan0 && is_set wwan0; }
on device sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/ignore_routes_with_linkdown'
wait_for 3 "set for all of IPv6: it is put right for each" all_set
on device sh -c 'echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter
    echo 0 >/proc/sys/net/ipv4/conf/wlan0/rp_filter; echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter'
both() { [ "$(on device sh -c "cd /proc/sys/net/ipv4/conf; cat $1 $2" | tr '\n' ' ')" = "$3 " ]; }
both_loose() { both eth0/rp_filter wlan0/rp_filter '2 2'; }
wait_for 3 "a strict filter for all: each link is loose" both_loose
on device sh -c 'cd /proc/sys/net/ipv4/conf; echo 0 >eth0/arp_ignore; echo 0 >wlan0/arp_announce'
wait_for 20 "arp_ignore and arp_announce are put right" both eth0/arp_ignore wlan0/arp_announce '1 2'
stop_connmgr || :

# shellcheck disable=SC2016  # the inner shell's business
on device sh -c 'for file in /proc/sys/net/ipv[46]/conf/*/ignore_routes_with_linkdown; do echo 0 >"$file"; done'
start_connmgr --keep-linkdown-routes
wait_for 5 "wlan0 is in use" in_use wlan0
check "--keep-linkdown-routes: the setting is left alone" [ "$(setting ipv4 eth0)$(setting ipv6 wlan0)" = 00 ]
