#!/bin/sh
# Links with other names, set in netif_names.
# takes 10 s
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
