#!/bin/sh
# Links with other names, set in netif_names.
# takes 20 s
. "$(dirname "$0")/lib.sh"

lab_up
for link in eth wlan; do
    ip -n device link set "${link}0" down name "${link}.up7"
    configure "$link.up7"
done
cat >"$LAB/etc/netif_names" <<'END'
# ours
ETH_INTERFACE_0='eth.up7'
WIFISTA_INTERFACE_0='wlan.up7'
END
start_connmgr
check "it monitors them" log_has '^<[0-7]> ?monitoring eth\.up7, wlan\.up7, wwan0'
wait_for 5 "eth.up7 is in use" in_use eth.up7
wait_for 5 "wlan.up7 is confirmed" state 'wlan\.up7' ITFUP_SS
unplug eth.up7
wait_for 5 "eth.up7 is pulled: wlan.up7 takes over" in_use wlan.up7

# The station has the default name of the access point, and no line says that there is none. Scripts get the names
# from the daemon: they refuse a name that is there twice.
stop_connmgr
ip -n device link set wlan.up7 down name wlan0-1
configure wlan0-1
FIREWALL=
for line in "WIFISTA_INTERFACE_0='wlan0-1'" "ETH_INTERFACE_3='wlan0-1'"; do
    echo "$line" >"$LAB/etc/netif_names"
    start_connmgr
    wait_for 15 "$line: the device is locked down" log_has "locked in [0-9]+ ms"
    check "$line: no script complains" not log_has 'is given to two interfaces'
    stop_connmgr
done
