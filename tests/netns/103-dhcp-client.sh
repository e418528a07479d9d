#!/bin/sh
# Locked, the device gets its addresses: DHCPv4 (request, unicast renewal, broadcast rebind to another
# server), DHCPv6 and router advertisements, with real clients and servers. No other host gets in through
# these rules.
# takes 120 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
mount -t tmpfs tmpfs /var/lib/dhcpcd

# serve4 ADDRESS: a DHCP server in r-eth that has this address.
serve4() {
    ip -n r-eth -4 address flush dev lan
    ip -n r-eth address add "$1/24" dev lan
    cat >"$LAB/udhcpd.conf" <<END
interface lan
start 198.18.1.50
end 198.18.1.50
lease_file $LAB/udhcpd.leases
pidfile $LAB/udhcpd.pid
min_lease 60
option lease 60
option 0x3a 00000003
option 0x3b 00000005
option subnet 255.255.255.0
option router $1
END
    : >>"$LAB/udhcpd.leases"
    nsenter --net=/run/netns/r-eth busybox udhcpd -f -S "$LAB/udhcpd.conf" >"$LAB/udhcpd.log" 2>&1 &
    SERVER=$!
}
has4() { ip -n device -4 address show dev eth0 | grep -q 'inet 198.18.1.50/24'; }
client_says() { grep -q "$1" "$LAB/udhcpc.out"; }

dhcp4() {
    unlock
    unconfigure eth0
    rm -f "$LAB/udhcpd.leases"
    serve4 198.18.1.1
    lock
    nsenter --net=/run/netns/device busybox udhcpc -f -i eth0 -t 5 -T 1 -s "$NETNS_DIR/udhcpc.sh" >"$LAB/udhcpc.out" 2>&1 &
    CLIENT=$!
    wait_for 5 "${WITH}DHCPv4: an address" client_says '^bound 198.18.1.50 from 198.18.1.1'
    check "${WITH}DHCPv4: on the link" has4
    kill -USR1 "$CLIENT"
    wait_for 5 "${WITH}DHCPv4: renewed by unicast" client_says '^renew 198.18.1.50 from 198.18.1.1'
    ended "$CLIENT"

    # Skip it: that client would take two minutes.
    dhcpcd -4 -A -L
    wait_for 5 "${WITH}DHCPv4, another client: an address" grep -q 'leased 198.18.1.50' "$LAB/dhcpcd.out"
    ended "$SERVER"
    serve4 198.18.1.9
    wait_for 15 "${WITH}DHCPv4: another server answers the broadcast" grep -q 'acknowledged 198.18.1.50 from 198.18.1.9' "$LAB/dhcpcd.out"
    check "${WITH}DHCPv4: which was a rebind" grep 'failed to renew DHCP, rebinding' "$LAB/dhcpcd.out"
    ended "$CLIENT" "$SERVER"
    serve4 198.18.1.1
    ended "$SERVER"
    configure eth0
}

has_ended() { ! read -r _ _ ended_state _ 2>/dev/null <"/proc/$1/stat" || [ "$ended_state" = Z ]; }
# dhcpcd ARGS...
dhcpcd() {
    rm -rf /run/dhcpcd /var/lib/dhcpcd/*
    mkdir /run/dhcpcd
    nsenter --net=/run/netns/device dhcpcd "$@" -B -d -f /dev/null -c /bin/true eth0 >"$LAB/dhcpcd.out" 2>&1 &
    CLIENT=$!
}
ended() {
    kill "$@" 2>/dev/null || :
    # Repeat the signal: dhcpcd may lose it.
    for pid; do poll 10 has_ended "$pid" || kill -KILL "$pid"; done
    wait "$@" 2>/dev/null || :
}

dhcp6() {
    unlock
    unconfigure eth0
    ip -n device link set eth0 down
    rm -f "$LAB/leases6"
    : >"$LAB/dhcp6.log"
    nsenter --net=/run/netns/r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 \
        --interface=lan --bind-interfaces --dhcp-range=2001:db8:1::100,2001:db8:1::100,64,10m --enable-ra --dhcp-authoritative \
        --log-dhcp --log-facility="$LAB/dhcp6.log" --dhcp-leasefile="$LAB/leases6" >"$LAB/dnsmasq6.out" 2>&1 &
    SERVER=$!
    lock
    dhcpcd -6
    wait_for 15 "${WITH}DHCPv6: an address" has_address6
    wait_for 5 "${WITH}a router was solicited, and advertised itself" has_router6
    kill -USR1 "$CLIENT"
    wait_for 5 "${WITH}DHCPv6: renewed" grep ' RENEW6$' "$LAB/dhcpcd.out"
    # dhcpcd loses signals while it runs its hook.
    told_to_rebind || told_to_rebind || told_to_rebind
    wait_for 10 "${WITH}DHCPv6: told to rebind, it hears a server" heard_again
    check "${WITH}DHCPv6: the address is still there" has_address6
    ended "$CLIENT" "$SERVER"
    configure eth0
}
has_address6() { ip -n device -6 address show dev eth0 | grep -q 'inet6 2001:db8:1::100/128.* dynamic'; }
told_to_rebind() {
    kill -HUP "$CLIENT"
    poll 2 grep -q 'received SIGHUP' "$LAB/dhcpcd.out"
}
# This client may rebind, confirm or solicit, and may have given up when the answer comes: try again.
heard_again() { sed '1,/SIGHUP/d' "$LAB/dhcpcd.out" | grep -E '(REPLY6 received|ADV .*|wrong xid .*) from fe80::'; }
has_router6() { ip -n device -6 route show default dev eth0 | grep -q 'via fe80::'; }

# The same ports, tried by a host that is not a DHCP server.
narrow() {
    unlock
    lock
    # A killed client may have left children that hold port 546 (0x222).
    poll 10 not on device grep -q ':0222 ' /proc/net/udp6
    nsenter --net=/run/netns/device socat -u UDP4-RECV:68 "OPEN:$LAB/door4.$VARIANT,creat,append" &
    doors=$!
    nsenter --net=/run/netns/device socat -u UDP6-RECV:546,reuseaddr "OPEN:$LAB/door6.$VARIANT,creat,append" &
    doors="$doors $!"
    poll 10 test -e "$LAB/door4.$VARIANT" -a -e "$LAB/door6.$VARIANT"
    ip -n device address replace fe80::2/64 dev eth0
    says 66-68 UDP4:198.18.1.2:68,sourceport=66
    says 67-69 UDP4:198.18.1.2:69,sourceport=67
    says 67-68 UDP4:198.18.1.2:68,sourceport=67
    says broadcast UDP4-DATAGRAM:255.255.255.255:68,broadcast,bind=0.0.0.0:67,so-bindtodevice=lan
    # DHCPv6 without a question: only packets from the link pass.
    says global "UDP6:[2001:db8:1::2]:546,sourceport=547,bind=[2001:db8:1::1]"
    says global-to-link-local "UDP6:[fe80::2%lan]:546,sourceport=547,bind=[2001:db8:1::1]"
    says 547-545 "UDP6:[fe80::2%lan]:545,sourceport=547"
    says to-global "UDP6:[2001:db8:1::2]:546,sourceport=547,bind=[fe80::1%lan]"
    says 548-546 "UDP6:[fe80::2%lan]:546,sourceport=548"
    says 547-546 "UDP6:[fe80::2%lan]:546,sourceport=547"
    wait_for 2 "${WITH}DHCPv4: a server is heard" grep -q broadcast "$LAB/door4.$VARIANT"
    wait_for 2 "${WITH}DHCPv6: a server is heard" grep -q 547-546 "$LAB/door6.$VARIANT"
    # A client asks a multicast address: answers from any address to the one that asked pass.
    asks6 'UDP6-DATAGRAM:[ff02::1:2%eth0]:547,bind=[fe80::2%eth0]:546,reuseaddr'
    says answer "UDP6:[fe80::2%lan]:546,sourceport=547,bind=[2001:db8:1::1]"
    says answer-of-relay "UDP6:[fe80::2%lan]:546,sourceport=5000,bind=[2001:db8:1::1]"
    says not-asked-there "UDP6:[2001:db8:1::2]:546,sourceport=547,bind=[2001:db8:1::1]"
    # It renews by unicast, from its global address.
    asks6 'UDP6:[2001:db8:1::1]:547,bind=[2001:db8:1::2]:546,reuseaddr'
    says renewed "UDP6:[2001:db8:1::2]:546,sourceport=547,bind=[2001:db8:1::1]"
    wait_for 2 "${WITH}DHCPv6: the answer to a Renew is heard" grep -q renewed "$LAB/door6.$VARIANT"
    printf '%s\n' 67-68 broadcast | same "${WITH}DHCPv4: nobody else" cat "$LAB/door4.$VARIANT"
    printf '%s\n' to-global 548-546 547-546 answer answer-of-relay renewed | same "${WITH}DHCPv6: nobody else" cat "$LAB/door6.$VARIANT"
    # shellcheck disable=SC2086  # a list
    ended $doors
}
says() { echo "$1" | on r-eth socat -u - "$2"; }
asks6() { echo question | on device socat -u - "$1"; }
ip -n r-eth address add fe80::1/64 dev lan

backends dhcp4 dhcp6 narrow
