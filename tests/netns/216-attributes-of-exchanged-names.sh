#!/bin/sh
# A reload exchanges the names of Ethernet and Wi-Fi: each link's attributes then report the other device.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

start_attrd
begin
mac() { ip -n device link show "$1" | sed -n 's/.*link.ether \([0-9a-f:]*\) .*/\1/p' | tr -d :; }
wait_for 15 "Ethernet's address" is 65060 c6120102
wait_for 5 "Wi-Fi's address" is 65025 c6120202
wait_for 5 "Ethernet's MAC address" is 65064 "$(mac eth0)"
wait_for 5 "Wi-Fi's MAC address" is 65029 "$(mac wlan0)"
wait_for 5 "the network type is Ethernet" is 65008 00
listen 65008 65024 65059

# wlan0 stops working with the new names, so that states and types differ, too.
printf '%s\n' "ETH_INTERFACE_0='wlan0'" "WIFISTA_INTERFACE_0='eth0'" >"$LAB/etc/netif_names"
check "the names are exchanged" ask reload
wait_for 5 "Ethernet's address is that of wlan0" is 65060 c6120202
wait_for 5 "Wi-Fi's address is that of eth0" is 65025 c6120102
wait_for 5 "Ethernet's MAC address is that of wlan0" is 65064 "$(mac wlan0)"
wait_for 5 "Wi-Fi's MAC address is that of eth0" is 65029 "$(mac eth0)"
wait_for 10 "wlan0, Ethernet now, is used and confirmed" is 65059 02
wait_for 5 "eth0 is Wi-Fi, and confirmed" is 65024 02
wait_for 5 "the network type is Ethernet, over wlan0" is 65008 00
wait_for 5 "over wlan0" in_use wlan0

# Bytes: only wlan0 gets these two megabytes. uint32, little-endian.
received() { # ID: at least a million more than eth0's few
    lab_hex=$(value "$1")
    [ $((0x$(echo "$lab_hex" | sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/'))) -gt 1000000 ]
}
on r-wlan ping -q -i 0.01 -c 40 -s 60000 198.18.2.2 >"$LAB/ping" || :
wait_for 5 "Ethernet's bytes are those of wlan0" received 65062
check "Wi-Fi's are not" not received 65027

unplug wlan0
wait_for 5 "wlan0 is pulled: it is Ethernet that is not available" is 65059 00
wait_for 5 "and the network type is WLAN, over eth0" is 65008 01
wait_for 5 "over eth0" in_use eth0
heard_last() { heard | grep -q '65059 00, 65008 01$'; }
wait_for 5 "a listener was told both" heard_last
