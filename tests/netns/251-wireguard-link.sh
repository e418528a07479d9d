#!/bin/sh
# WireGuard as a link: a device without Ethernet header and without gateway, beside Ethernet. The program is wireguard-go, since
# it needs no module. The tunnel leads over a second port, which is no link.
# takes 20 s
. "$(dirname "$0")/lib.sh"

for tool in wireguard-go wg; do
    command -v $tool >/dev/null || { skip "no $tool here"; exit 0; }
done
lab_up
more_link eth1
# Only the tunnel uses this port.
ip -n device route del default dev eth1
ip -n device -6 route del default dev eth1

mkdir -p "$LAB/wireguard" /var/run/wireguard
mount --bind "$LAB/wireguard" /var/run/wireguard
umask 077
wg genkey >"$LAB/key.wg0"
wg genkey >"$LAB/key.wgr"
# tunnel_end HOST NAME PORT PEER ENDPOINT
tunnel_end() {
    nsenter --net="/run/netns/$1" env LOG_LEVEL=error wireguard-go --foreground "$2" >"$LAB/wireguard-$2.log" 2>&1 &
    poll 60 wg show "$2" || { cat "$LAB/wireguard-$2.log"; exit 1; } # its start is not what is tested
    wg set "$2" listen-port "$3" private-key "$LAB/key.$2" \
        peer "$(wg pubkey <"$LAB/key.$4")" allowed-ips 0.0.0.0/0,::/0 endpoint "$5"
}
tunnel_end r-eth1 wgr 51820 wg0 198.18.4.2:51821
ip -n r-eth1 link set wgr up
ip -n r-eth1 route add 198.18.6.0/24 dev wgr
ip -n cloud route add 198.18.6.0/24 via 198.18.14.1
tunnel_end device wg0 51821 wgr 198.18.4.1:51820
TUNNEL_PID=$!
ip -n device link set wg0 up
ip -n device address add 198.18.6.2/32 dev wg0
ip -n device route add default dev wg0 metric 30

printf '%s\n' "WIFISTA_INTERFACE_0=''" "WAN_INTERFACE_1='wg0'" "UNMETERED='wg0'" "PREFER='eth0 wg0'" >"$LAB/etc/netif_names"
start_connmgr
wait_for 5 "eth0 is in use" in_use eth0
wait_for 10 "the tunnel is confirmed" state wg0 ITFUP_SS
unplug eth0
wait_for 5 "eth0 is pulled: the tunnel, before LTE" in_use wg0
check "the cloud answers through it" on device ping -c 1 -W 3 198.18.100.8
check "its route has no gateway" sh -c 'ip -n device route show default | grep -q "^default dev wg0 scope link"'
kill "$TUNNEL_PID"
wait_for 10 "the tunnel is gone: LTE" in_use wwan0
plug eth0
wait_for 20 "eth0 is back" in_use eth0
