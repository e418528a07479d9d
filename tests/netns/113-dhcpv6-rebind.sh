#!/bin/sh
# Locked, a real DHCPv6 client whose server has died sends a Rebind to all servers (RFC 8415 section 18.2.5),
# and another server with its own DUID extends the lease. The shortest lease of dnsmasq is two minutes.
# takes 120 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
ip -n r-eth address add fe80::1/64 dev lan
# serve6 NAME: another name, another DUID.
serve6() {
    mkdir -p "$LAB/$1"
    nsenter --net=/run/netns/r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 \
        --interface=lan --bind-interfaces --dhcp-range=2001:db8:1::100,2001:db8:1::100,64,2m --enable-ra --dhcp-authoritative \
        --dhcp-duid="32473,$2" --log-dhcp --log-facility="$LAB/$1/log" --dhcp-leasefile="$LAB/$1/leases" >"$LAB/$1/out" 2>&1 &
    SERVER=$!
    poll 10 grep -q started "$LAB/$1/log"
}
client_says() { grep -E "$1" "$LAB/dhclient.out"; }
server_says() { grep -E "$2" "$LAB/$1/log"; }
heard_after_rebind() { sed '1,/XMT: Rebind/d' "$LAB/dhclient.out" | grep 'RCV: Reply message on eth0 from fe80::'; }
has_address6() { ip -n device -6 address show dev eth0 | grep -q 'inet6 2001:db8:1::100/128.* dynamic'; }

if is_nft; then VARIANT=bare; else VARIANT=nft; fi
use_tools
WITH="$VARIANT: "
unlock
ip -n device -6 address flush dev eth0 scope global
serve6 first 01
lock
nsenter --net=/run/netns/device dhclient -6 -v -d -cf /dev/null -lf "$LAB/dhclient.leases" -pf "$LAB/dhclient.pid" eth0 \
    >"$LAB/dhclient.out" 2>&1 &
CLIENT=$!
wait_for 20 "DHCPv6: an address" has_address6
kill "$SERVER"
wait "$SERVER" 2>/dev/null || :
serve6 second 02
wait_for 130 "renewing is in vain, it asks everybody" client_says 'XMT: Rebind on eth0'
wait_for 20 "another server is asked" server_says second 'DHCPREBIND'
wait_for 20 "and its answer is heard" heard_after_rebind
check "the lease is the other server's now" grep '2001:db8:1::100' "$LAB/second/leases"
check "the address is still there" has_address6
kill "$CLIENT" "$SERVER"
wait "$CLIENT" "$SERVER" 2>/dev/null || :
