#!/bin/sh
# net_capabilities: its exit status tells the kinds of network of the platform.
# takes 5 s
. "$(dirname "$0")/lib.sh"

ETC=$LAB/etc
mkdir -p "$ETC"
ip netns add box

# Hide the machine's own radios and modems.
mount -t tmpfs tmpfs /sys

# capable STATUS
capable() {
    # shellcheck disable=SC2086  # words
    on box env CONNMGR_CONFIG_DIR="$ETC" $SHELL_CMD "${SCRIPTS:-$REPO/scripts}/net_capabilities" && status=0 || status=$?
    echo "status $status"
    [ "$status" = "$1" ]
}

link() { ip -n box link add "$1" type veth peer name "far-$1"; }

for SHELL_CMD in dash 'busybox ash'; do
    command -v "${SHELL_CMD%% *}" >/dev/null || { skip "no $SHELL_CMD here"; continue; }
    check "$SHELL_CMD: nothing is there" capable 0
    link wlan0
    check "$SHELL_CMD: Wi-Fi" capable 1
    link eth0
    check "$SHELL_CMD: Wi-Fi and Ethernet" capable 5
    link wwan0
    check "$SHELL_CMD: all three" capable 7
    echo "ETH_INTERFACE_0='lan7'" >"$ETC/netif_names"
    check "$SHELL_CMD: the port has another name" capable 3
    echo "ETH_INTERFACE_0='face'" >"$ETC/netif_names"
    check "$SHELL_CMD: a word of the table's head is no port" capable 3
    printf '%s\n' "ETH_INTERFACE_0=''" "ETH_INTERFACE_5='eth0'" "WIFISTA_INTERFACE_0=''" >"$ETC/netif_names"
    check "$SHELL_CMD: the port has another number, and Wi-Fi no role" capable 6
    echo "ETH_INTERFACE_0='a/b'" >"$ETC/netif_names"
    check "$SHELL_CMD: bad netif_names is no answer" capable 78
    rm "$ETC/netif_names"
    ip -n box link del wlan0
    ip -n box link del wwan0
    check "$SHELL_CMD: Ethernet" capable 4

    mkdir -p /sys/class/ieee80211/phy0
    check "$SHELL_CMD: a radio without an interface" capable 5
    mkdir -p /sys/class/usbmisc/cdc-wdm0
    check "$SHELL_CMD: a modem without an interface" capable 7
    rm -r /sys/class/usbmisc
    mkdir -p /sys/class/wwan/wwan0
    check "$SHELL_CMD: a modem of the other kind" capable 7
    rm -r /sys/class
    ip -n box link del eth0
done
