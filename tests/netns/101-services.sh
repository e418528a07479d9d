#!/bin/sh
# Locked with an empty whitelist: the device and the host behind it can use DNS, NTP and ping. connmgr's own
# probes, recognised by their mark, reach everything. For the bridge the device is a name server and a DHCP
# server, nothing else.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.100.8 a clock, .53 a name server
# takes 85 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
for port in 123 124; do
    on cloud "$LABTOOL" echo "$port" "$LAB/echo-mode" >"$LAB/port.$port" &
    poll 10 grep -q listening "$LAB/port.$port"
done
on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-hosts --no-resolv \
    --interface=br-apnet --bind-interfaces --server=198.18.100.53 --log-facility="$LAB/bridge.log" \
    --dhcp-range=198.18.50.100,198.18.50.200,255.255.255.0,1h --dhcp-leasefile="$LAB/leases" &
ears device
poll 10 grep -q started "$LAB/bridge.log"

# resolves HOST SERVER [tcp]
resolves() {
    printf 'nameserver %s\noptions timeout:1 attempts:1%s\n' "$2" "${3:+ use-vc}" >"$LAB/resolv.conf"
    on "$1" getent ahostsv4 echo.example | grep -q '^198.18.100.10 '
}
# told HOST TARGET: true if the host gets an answer from the target.
told() { [ "$(echo time | on "$1" socat -t 0.5 - "$2" 2>/dev/null)" = time ]; }
pings() { on "$1" ping -c 1 -W 1 "$2"; }
# marked LINK ADDRESS [MARK]: true if a socket with that mark, or with the daemon's bit alone, gets an answer.
marked() { [ "$(on device "$LABTOOL" ask "$1" "$2" 80 "${3:-0x80}")" = echo ]; }

services() {
    unlock
    lock
    for who in device host; do
        for server in 198.18.100.53 2001:db8:100::53; do
            wait_for 3 "$WITH$who: DNS of $server" resolves "$who" "$server"
            wait_for 3 "$WITH$who: DNS of $server by TCP" resolves "$who" "$server" tcp
        done
        wait_for 3 "$WITH$who: NTP" told "$who" UDP4:198.18.100.8:123
        wait_for 3 "$WITH$who: NTP from port 123, IPv6" told "$who" 'UDP6:[2001:db8:100::8]:123,sourceport=123,reuseaddr'
        wait_for 3 "$WITH$who: ping" pings "$who" 198.18.100.8
        wait_for 3 "$WITH$who: ping, IPv6" pings "$who" 2001:db8:100::8
        check "$WITH$who: nothing from port 123 to another" not told "$who" UDP4:198.18.100.8:124,sourceport=123,reuseaddr
        check "$WITH$who: nothing from port 53 to another" not told "$who" 'UDP6:[2001:db8:100::8]:124,sourceport=53,reuseaddr'
        check "$WITH$who: NTP is no TCP" not told "$who" TCP4:198.18.100.8:123,connect-timeout=0.5
        wait_for 3 "$WITH$who: traces a route" traces "$who"
    done
    # The links that are not in use.
    for link in eth0 wlan0 wwan0; do
        wait_for 3 "$WITH$link: a marked socket reaches all" marked "$link" 198.18.100.8
        wait_for 3 "$WITH$link: a marked socket reaches all, IPv6" marked "$link" 2001:db8:100::8
        wait_for 5 "$WITH$link: ping" on device ping -c 1 -W 1 -I "$link" 198.18.100.8
    done
    wait_for 3 "${WITH}with the marks of others beside ours, too" marked eth0 198.18.100.8 0xc080
    check "${WITH}kubelet's mark reaches nothing" not marked eth0 198.18.100.8 0x8000
    check "${WITH}wg-quick's mark reaches nothing" not marked eth0 198.18.100.8 0xca6c
    ENVIRONMENT=CONNMGR_MARK_BIT=9 lock "locked, with another bit"
    lock "locked again, the bit stays"
    wait_for 3 "${WITH}that bit reaches all" marked wlan0 198.18.100.8 0x200
    check "${WITH}and the usual one nothing" not marked eth0 198.18.100.8

    on r-eth iptables -w -t raw -F && on r-eth iptables -w -t raw -A PREROUTING -d 127.9.9.9
    on r-eth ip6tables -w -t raw -F && on r-eth ip6tables -w -t raw -A PREROUTING -d ::1
    to_itself
    check "${WITH}nothing leaves for 127.0.0.0/8 and ::1" arrived 0

    wait_for 3 "${WITH}the device is the bridge's name server" resolves host 198.18.50.1
    wait_for 3 "${WITH}and by TCP" resolves host 198.18.50.1 tcp
    check "${WITH}but not the link's" not resolves cloud 198.18.1.2
    ip -n host address flush dev lan
    check "${WITH}the device gives the host an address" dhcp_address
    configure_host
    check "${WITH}the host gets no TCP connection to the device" not on host socat -u OPEN:/dev/null TCP4:198.18.50.1:7001,connect-timeout=0.5
    check "${WITH}nor by IPv6" not on host socat -u OPEN:/dev/null 'TCP6:[2001:db8:50::1]:7001,connect-timeout=0.5'
    check "${WITH}the host gets no ping from the device's address" not on host ping -c 1 -W 0.5 198.18.50.1
    : >"$LAB/ears.udp.device"
    for port in 53 67 123 999; do echo knock | on host socat -u - "UDP4:198.18.50.1:7002,sourceport=$port,reuseaddr"; done
    check "${WITH}the host is its name server's client, nothing else" [ ! -s "$LAB/ears.udp.device" ]
    wait_for 3 "${WITH}that name server is still there" resolves host 198.18.50.1
}
# Packets to the device's own addresses over a link: a socket that is bound to the link can send them, without any
# privilege.
to_itself() {
    on device setpriv --reuid=nobody --clear-groups /usr/bin/python3 -c '
import socket
for family, address in (socket.AF_INET, "127.9.9.9"), (socket.AF_INET6, "::1"):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 25, b"eth0") # SO_BINDTODEVICE
    try:
        s.sendto(b"secret", (address, 9))
    except PermissionError:
        pass'
}
arrived() {
    for table in iptables ip6tables; do on r-eth "$table" -w -t raw -L PREROUTING -v -n -x; done |
        awk -v wanted="$1" '/127.9.9.9|::1/ { n += $1 } END { print n + 0, "arrived"; exit n != wanted }'
}
# The time to live ends in r-eth.
traces() {
    case $1 in device) hops=1 ;; host) hops=2 ;; esac
    on "$1" ping -c 1 -t "$hops" -W 1 198.18.100.8 | grep 'From 198.18.1.1.*Time to live exceeded' &&
        on "$1" ping -c 1 -t "$hops" -W 1 2001:db8:100::8 | grep 'From 2001:db8:1::1.*Time exceeded'
}
dhcp_address() {
    on host busybox udhcpc -f -q -n -i lan -t 8 -T 1 -s "$NETNS_DIR/udhcpc.sh" &&
        ip -n host address show dev lan | grep -q 'inet 198.18.50.1[0-9][0-9]/24'
}
configure_host() {
    ip -n host -batch - <<'END'
address flush dev lan scope global
address add 198.18.50.2/24 dev lan
address add 2001:db8:50::2/64 dev lan
route replace default via 198.18.50.1
route replace default via 2001:db8:50::1
END
}

backends services
