#!/bin/sh
# wifistad beside connmgr: it must be told of 65008, above all of -1, on which it tests the network itself.
# Its messages were recorded from the real one (tests/attrd/recordings/wifistad.txt). With an access point
# wlan0-1 in the bridge and without a bridge, with a station of that name, and with Wi-Fi as the access point
# itself. 65024 is the station's state.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket

# play DESC STATION: all links are lost, one after the other; Ethernet returns, then the others.
play() {
    wait_for 20 "$1: Ethernet is in use, Wi-Fi confirmed" all_up "$2"
    check "$1: 65008 is 0" is 65008 00
    wait_for 5 "$1: 65024 is 2" is 65024 02
    "$ATTRD_TOOLS/replay_client" "$ATTRD_SOCKET" "$REPO/tests/attrd/recordings" wifistad.txt >"$LAB/wifistad.log" 2>&1 &
    wifistad=$!
    poll 5 grep -q 'open IPC.WIFISTAD status 0 ranges 3' "$LAB/attrd.log"

    unplug eth0
    wait_for 2 "$1: Ethernet goes: 65008 is 1" is 65008 01
    unplug "$2"
    wait_for 2 "$1: Wi-Fi goes: 65008 is 2" is 65008 02
    wait_for 2 "$1: and 65024 is 0" is 65024 00
    on device ip link set wwan0 down
    wait_for 2 "$1: LTE goes: 65008 is -1" is 65008 ff
    plug eth0
    wait_for 5 "$1: Ethernet comes back: 65008 is 0" is 65008 00
    wait "$wifistad" && heard=0 || heard=$?
    check "$1: wifistad heard what the real one hears from the real attrd" [ "$heard" = 0 ]
    : >"$LAB/attrd.log"

    configure wwan0
    plug "$2"
    wait_for 20 "$1: all are back" all_up "$2"
    wait_for 5 "$1: 65024 is 2 again" is 65024 02
}
all_up() { in_use eth0 && state eth0 ITFUP_SS && state "$1" ITFUP_SS; }

start_attrd
lab_up
host_behind
ip -n device link set ap name wlan0-1
start_connmgr
wait_for 12 "attrd is connected" log_has 'attrd: connected'
play "access point in the bridge" wlan0
ip -n device link set wlan0-1 down
stays 1 "the access point goes down: 65024 is 2 all the same" is 65024 02

ip -n device link delete br-apnet
ip -n device link set wlan0-1 up
ip -n device address add 198.18.50.1/24 dev wlan0-1
play "access point without a bridge" wlan0

# Wi-Fi is the access point: up, with the address of its own network, without a route to the cloud.
ip -n device -6 address flush dev wlan0 scope global
ip -n device -4 address flush dev wlan0
ip -n device address add 198.18.51.1/24 dev wlan0
wait_for 5 "Wi-Fi is the access point itself: 65024 is 0" is 65024 00
check "and 65008 is 0" is 65008 00
check "65025 is its address" is 65025 c6123301

stop_connmgr || :
ip -n device link delete wlan0-1
ip -n device link set wlan0 down
ip -n device link set wlan0 name wlan0-1
ip -n device -4 address flush dev wlan0-1
configure wlan0-1
echo "WIFISTA_INTERFACE_0='wlan0-1'" >"$LAB/etc/netif_names"
start_connmgr
wait_for 12 "attrd is connected" log_has 'attrd: connected'
play "the station is wlan0-1" wlan0-1
