#!/bin/sh
# Locked, the DHCPv6 clients of Debian get a lease from the servers that are installed: systemd-networkd and dhclient
# (dhcpcd: 103) from dnsmasq, and from isc-dhcp-server, Kea and isc-dhcp-relay if these are present. dhclient renews it
# by unicast. docs/lockdown.md lists what was tried by hand.
# takes 80 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
ip -n r-eth address add fe80::1/64 dev lan
networkd=/lib/systemd/systemd-networkd
has() { command -v "$1" >/dev/null; }

# -- servers: each sets $SERVER ------------------------------------------------------------------------------------
in_host() {
    host=$1
    shift
    exec nsenter --net="/run/netns/$host" "$@"
}
by_dnsmasq() {
    in_host r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 --interface=lan \
        --bind-interfaces --dhcp-range=2001:db8:1::100,2001:db8:1::1ff,64,10m --dhcp-authoritative --dhcp-leasefile="$LAB/leases" \
        >"$LAB/server.out" 2>&1 &
    SERVER=$!
}
# by_isc HOST LINK
by_isc() {
    cat >"$LAB/dhcpd.conf" <<END
authoritative;
${ISC_OPTIONS-}
subnet6 2001:db8:11::/64 { }
subnet6 2001:db8:1::/64 { range6 2001:db8:1::100 2001:db8:1::1ff; }
END
    : >"$LAB/leases"
    in_host "${1:-r-eth}" dhcpd -6 -f -d -cf "$LAB/dhcpd.conf" -lf "$LAB/leases" -pf "$LAB/dhcpd.pid" "${2:-lan}" >"$LAB/server.out" 2>&1 &
    SERVER=$!
}
by_relay() {
    by_isc cloud eth
    in_host r-eth dhcrelay -6 -d -pf "$LAB/relay.pid" -l lan -u 2001:db8:11::2%wan >"$LAB/relay.out" 2>&1 &
    SERVER="$SERVER $!"
}
by_kea() {
    cat >"$LAB/kea.conf" <<END
{ "Dhcp6": { "server-id": { "type": "EN", "enterprise-id": 1, "identifier": "01", "persist": false },
  "interfaces-config": { "interfaces": [ "lan", "lan/2001:db8:1::1" ] }, ${KEA_OPTIONS-} "lease-database": { "type": "memfile", "persist": false },
  "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64", "interface": "lan", "pools": [ { "pool": "2001:db8:1::100-2001:db8:1::1ff" } ] } ] } }
END
    in_host r-eth env KEA_PIDFILE_DIR="$LAB" KEA_LOCKFILE_DIR=none kea-dhcp6 -c "$LAB/kea.conf" >"$LAB/server.out" 2>&1 &
    SERVER=$!
}

# -- clients: each sets $CLIENT ------------------------------------------------------------------------------------
by_networkd() {
    mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
    printf '[Match]\nName=eth0\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=no\n[DHCPv6]\nWithoutRA=solicit\n' >/run/systemd/network/10-eth0.network
    # With a read-only /sys it waits for no udev.
    in_host device unshare --mount env SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=debug \
        sh -c "mount --bind /sys /sys; mount -o remount,ro,bind /sys; exec $networkd" >"$LAB/client.out" 2>&1 &
    CLIENT=$!
}
by_dhclient() {
    in_host device dhclient -6 -v -d -cf "$LAB/dhclient.conf" -lf "$LAB/dhclient.$turn" -pf "$LAB/dhclient.pid" eth0 >"$LAB/client.out" 2>&1 &
    CLIENT=$!
}
has_lease() { ip -n device -6 address show dev eth0 | grep -E 'inet6 2001:db8:1::1[0-9a-f][0-9a-f]/'; }

# play CLIENT SERVER [AFTER]: AFTER is a function, called while they run.
: >"$LAB/dhclient.conf"
turn=0
play() {
    turn=$((turn + 1))
    unlock
    unconfigure eth0
    ip -n device link set eth0 down
    ip -n device link set eth0 up
    # The variants take turns.
    if is_nft || [ $((turn % 2)) = 0 ]; then VARIANT=bare; else VARIANT=legacy; fi
    use_tools
    WITH="$VARIANT: "
    lock
    "by_$2"
    "by_$1"
    wait_for 20 "${WITH}$1 and $2: a lease" has_lease
    [ -z "${3-}" ] || "$3" "$1 and $2"
    # shellcheck disable=SC2086  # a list
    kill $CLIENT $SERVER 2>/dev/null || :
    # shellcheck disable=SC2086  # a list
    wait $CLIENT $SERVER 2>/dev/null || :
}
servers=dnsmasq
! has dhcpd || servers="$servers isc"
! has dhcrelay || ! has dhcpd || servers="$servers relay"
! has kea-dhcp6 || servers="$servers kea"
for server in $servers; do
    [ ! -x "$networkd" ] || play networkd "$server"
    play dhclient "$server"
done

# A server that names its own address (option 12) is asked there for a renewal (RFC 8415 section 18.2.4). Of these clients dhclient
# alone does so. A router advertisement would bring the route.
echo 'also request dhcp6.unicast;' >"$LAB/dhclient.conf"
ISC_OPTIONS='option dhcp6.unicast 2001:db8:1::1; option dhcp-renewal-time 4; option dhcp-rebinding-time 40; default-lease-time 60;'
KEA_OPTIONS='"option-data": [ { "name": "unicast", "data": "2001:db8:1::1", "always-send": true } ],
  "renew-timer": 4, "rebind-timer": 40, "preferred-lifetime": 50, "valid-lifetime": 60,'
on r-eth ip6tables -w -A INPUT -d 2001:db8:1::1 -p udp --sport 546 --dport 547 -j ACCEPT
asked_by_unicast() { on r-eth ip6tables -w -nvxL INPUT | grep 'dpt:547' | grep -v '^ *0 '; }
was_renewed() { asked_by_unicast && [ "$(grep -c '^RCV: Reply message' "$LAB/client.out")" -ge 2 ]; }
renews() {
    on r-eth ip6tables -w -Z INPUT
    ip -n device route replace 2001:db8:1::/64 dev eth0
    wait_for 20 "${WITH}$1: renewed at the server's own address" was_renewed
}
for server in isc kea; do
    case " $servers " in *" $server "*) ;; *) continue ;; esac
    play dhclient "$server" renews
    play dhclient "$server" renews # with the other variant
done
