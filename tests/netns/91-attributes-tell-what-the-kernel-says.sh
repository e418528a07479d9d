#!/bin/sh
# Other clients of attrd get and set connmgr's attributes.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
start_attrd
began=$(now)
begin

wait_for 5 "network type: Ethernet" is 65008 00
wait_for 5 "capabilities: the exit status of net_capabilities" is 65022 07
wait_for 5 "Wi-Fi is up with cloud" is 65024 02
wait_for 5 "WAN is up with cloud, by decree" is 65037 02
wait_for 5 "Ethernet is up with cloud" is 65059 02
wait_for 5 "address of Wi-Fi" is 65025 c6120202
wait_for 5 "address of WAN, its own on a point-to-point link" is 65038 c6120302
wait_for 5 "address of Ethernet" is 65060 c6120102
mac() { ip -n device -o link show "$1" | sed -n 's/.*link\/ether \([0-9a-f:]*\) .*/\1/p' | tr -d :; }
wait_for 5 "MAC address of Wi-Fi" is 65029 "$(mac wlan0)"
wait_for 5 "MAC address of Ethernet" is 65064 "$(mac eth0)"

# number ID: prints a little-endian number of 4 bytes.
number() { value "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4\3\2\1/'; }
up_time_is_right() { [ "$(($(number 65061)))" -le $((($(now) - began) / 100 + 1)) ] && [ "$(($(number 65061)))" -ge 1 ]; }
wait_for 5 "up time of Ethernet, in seconds" up_time_is_right
on device ping -c 3 -i 0.1 -s 1000 198.18.100.8 >/dev/null
counter_is_right() { # ID DIRECTION DEVICE
    kernel=$(on device cat /proc/net/dev | awk -v device="$3:" -v column="$2" '$1 == device { print $column }')
    told=$(($(number "$1")))
    [ "$told" -ge $((kernel - 2000)) ] && [ "$told" -le $((kernel + 2000)) ] && [ "$told" -ge 3000 ]
}
wait_for 5 "bytes received by Ethernet" counter_is_right 65062 2 eth0
wait_for 5 "bytes sent by Ethernet" counter_is_right 65063 10 eth0
revision_is_right() { [ "$(value 51620)" = "$(printf '%s\0' "$("$(connmgr_path)" --version)" | od -An -tx1 | tr -d ' \n')" ]; }
wait_for 5 "revision: what --version says, with a zero byte" revision_is_right

wait_for 5 "the debug level is 1, by -v" is 51616 01
check "it can be set" attrc set 51616 00
wait_for 5 "it is set" is 51616 00
lines=$(wc -l <"$LAB/connmgr.log")
unplug wlan0
wait_for 5 "an event is still logged" log_has 'wlan0: ITFUP_SS -> ITFDOWN_SU'
no_debug() { ! tail -n "+$((lines + 1))" "$LAB/connmgr.log" | grep -q '^<7>'; }
check "but no debug line any more" no_debug
check "set below 0: it is 0" attrc set 51616 ff
wait_for 5 "it is" is 51616 00
check "the network type cannot be set" not attrc set 65008 01
check "an attribute that nobody has is not found" not attrc get 65099
