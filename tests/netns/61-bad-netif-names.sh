#!/bin/sh
# A bad netif_names is refused with file and line and exit status 78; an unknown key is only a warning.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
refused() {
    printf '# a comment\n%s\n' "$1" >"$LAB/etc/netif_names"
    spawn_connmgr
    poll 10 not connmgr_runs || kill -KILL "$CONNMGR_PID"
    status=0
    wait "$CONNMGR_PID" || status=$?
    check "$2: exit status 78" test "$status" = 78
    check "$2: it names file and line" log_has "netif_names(:| line |, line )${3:-2}"
}
refused "ETH_INTERFACE_0='a-name-that-is-too-long'" "over 15 bytes"
refused "ETH_INTERFACE_0='eth/0'" "a slash"
refused "ETH_INTERFACE_0='eth 0'" "white space"
refused "ETH_INTERFACE_0=''
WIFISTA_INTERFACE_0=''
WAN_INTERFACE_0=''" "no link at all" 4
refused "PREFER='eth/0'" "a list with a slash"
refused "METERED='eth0'
UNMETERED='wlan0 eth0'" "metered and unmetered" 3
refused "ETH_INTERFACE_0='same'
WIFISTA_INTERFACE_0='same'" "the same name twice" 3

printf '%s\n' "ETH_INTERFACE_10='eth9'" "PREFER='eth7'" >"$LAB/etc/netif_names"
start_connmgr
check "an unknown key: it runs, and says so" log_has '^<4> ?.*ETH_INTERFACE_10'
check "so does a name in PREFER that is no link" log_has "^<4> ?.*netif_names:2: PREFER: 'eth7' is not a link"
stop_connmgr
rm "$LAB/etc/netif_names"
start_connmgr
check "no file: it runs with the defaults" log_has '^<[0-7]> ?monitoring eth0, wlan0, wwan0'
check "no file: it warns once" test "$(grep -c '^<4>.*netif_names' "$LAB/connmgr.log")" = 1
