#!/bin/sh
# What is no way to the cloud must not be taken for one: an address in 169.254.0.0/16, a packet from a
# neighbour outside of the subnet, a name server that the link cannot ask. And a link is found by an
# alternative name of its device.
# takes 60 s
. "$(dirname "$0")/lib.sh"

lab_up

# 169.254.0.0/16, with a default route: added with the scope of the link, or with a wider one.
ip -n device -batch - <<'END'
address flush dev eth0 scope global
address add 169.254.7.7/16 dev eth0
route add default via 169.254.0.1 dev eth0 metric 5
address add 169.254.8.8/16 dev wwan0
END
start_connmgr --idle 4
wait_for 5 "a link-local address is no way out: wlan0 is in use" in_use wlan0
check "eth0 has no address" state eth0 ITFDOWN_SX
check "the log says so" log_has 'eth0: .*: has no address yet'
ip -n device -batch - <<'END'
address flush dev eth0 scope global
address add 169.254.7.7/16 dev eth0 scope link
route add default dev eth0 scope link metric 1002
END
stays 3 "nor with the scope of the link" not state eth0 ITFUP_SU
configure eth0
wait_for 5 "with a real address beside it, eth0 is confirmed" state eth0 ITFUP_SS
poll 15 in_use eth0 || :
ip -n device address delete 198.18.1.2/24 dev eth0
ip -n device -6 address flush dev eth0 scope global
ip -n device route replace default via 169.254.0.1 dev eth0 metric 5
wait_for 5 "when that is gone, eth0 is down" state eth0 ITFDOWN_SX
wait_for 5 "and wlan0 in use" in_use wlan0
stop_connmgr

# Neighbours outside of the subnet, each of which talks all the time: the on-link gateway of a /32 address, a
# management address behind a device route, the on-link gateway of another route, and the same by IPv6.
ip -n device -6 route flush dev eth0 exact default
ip -n device -batch - <<'END'
address flush dev eth0 scope global
route flush dev eth0
address add 198.18.1.2/32 dev eth0
address add 198.18.1.3/32 dev eth0
address add 198.18.1.4/32 dev eth0
address add 2001:db8:1::2/128 dev eth0
route add default via 198.18.1.1 dev eth0 onlink metric 10
route add 198.18.91.1 dev eth0
route add 198.18.93.0/24 via 198.18.92.1 dev eth0 onlink
route add 2001:db8:91::1 dev eth0
route add default via 2001:db8:1::1 dev eth0 onlink metric 10
END
ip -n r-eth -batch - <<'END'
address add 198.18.91.1/32 dev lan
address add 198.18.92.1/32 dev lan
address add 2001:db8:91::1/128 dev lan
route add 198.18.1.3 dev lan src 198.18.91.1
route add 198.18.1.4 dev lan src 198.18.92.1
END
# Even without duplicate address detection, the address is usable a moment later.
poll 5 ip -n r-eth route replace 2001:db8:1::2 dev lan src 2001:db8:91::1
start_connmgr --idle 4
wait_for 10 "a /32 address with an on-link gateway: eth0 is confirmed" state eth0 ITFUP_SS
poll 15 in_use eth0 || :
# Of each neighbour packets must arrive, or the test shows nothing.
for neighbour in 198.18.1.1 198.18.91.1 198.18.92.1; do on device iptables -w -A INPUT -s $neighbour -p udp --dport 7003; done
on device ip6tables -w -A INPUT -s 2001:db8:91::1 -p udp --dport 7003
floods=''
for address in 198.18.1.2 198.18.1.3 198.18.1.4 2001:db8:1::2; do
    nsenter --net=/run/netns/r-eth "$LABTOOL" flood "$address" 7003 5 90 >"$LAB/flood.$address" 2>&1 &
    floods="$floods $!"
done
all_talk() {
    [ "$({ on device iptables -nvxL INPUT && on device ip6tables -nvxL INPUT; } | awk '/dpt:7003/ && $1 > 9' | wc -l)" = 4 ]
}
wait_for 10 "four neighbours talk" all_talk
upstream_dead eth0
wait_for 14 "the upstream dies: wlan0 takes over although they talk" in_use wlan0
check "eth0 has failed" state eth0 ITFUP_SF
check "no packet of theirs was evidence" not log_has 'evidence on eth0: [A-Za-z]+ \[?(198\.18\.1\.1|198\.18\.9[12]\.1|2001:db8:91::1)[]:]'
upstream_alive eth0
stop_connmgr
# shellcheck disable=SC2086  # a list
kill $floods
on device iptables -w -F INPUT
on device ip6tables -w -F INPUT

# Name servers: those of another family and of another link come first. The seventh is a name server that
# eth0 can ask. Ethernet is called "lan0" in netif_names.
ip -n device link property add dev eth0 altname lan0
ip -n device link property add dev wlan0 altname radio
printf "ETH_INTERFACE_0='lan0'\nWIFISTA_INTERFACE_0='radio'\n" >"$LAB/etc/netif_names"
servers() {
    printf '\357\273\277nameserver 2001:db8:77::1\n'
    for n in 2 3 4 5 6 7 8 9; do echo "nameserver 2001:db8:77::$n"; done
    for n in 1 2 3 4 5 6; do echo "nameserver fe80::$n%wwan0"; done
    echo "nameserver 198.18.50.53"
    echo "nameserver 198.18.100.53"
}
servers >"$LAB/resolv.conf"
for link in eth0 wlan0; do
    ip -n device -6 address flush dev $link scope global
    ip -n device -6 route flush dev $link exact default
done
ip -n device -batch - <<'END'
link add br-apnet type bridge
link set br-apnet up
address add 198.18.50.1/24 dev br-apnet
END
on device sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter'
RESOLVER='' start_connmgr --no-ping
wait_for 8 "by its alternative name and its seventeenth name server, Ethernet is confirmed" state lan0 ITFUP_SS
wait_for 8 "Wi-Fi, too" state radio ITFUP_SS
wait_for 5 "Ethernet is in use" in_use eth0
check "settings are made by the real name" test "$(on device cat /proc/sys/net/ipv4/conf/eth0/rp_filter)" = 2
check "status counts bytes" sh -c "'$(connmgr_path)' status --json --run-dir '$LAB/run' | grep -q '\"name\": *\"lan0\"'"
stop_connmgr

# The router's link-local address, with the number of the device as its zone, behind a byte order mark.
router=$(ip -n r-eth -6 address show dev lan scope link | sed -n 's/.*inet6 \(fe80[^/]*\).*/\1/p')
printf '\357\273\277nameserver %s%%11\r\nnameserver fe80::1%%lo\r\n' "$router" >"$LAB/resolv.conf"
on r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
    --no-hosts --bind-interfaces --listen-address="$router" --listen-address=198.18.1.1 --server=198.18.100.53 \
    >"$LAB/router-dns" 2>&1 &
relay=$!
RESOLVER='' start_connmgr --no-ping
wait_for 10 "a name server with a numeric zone is asked" state lan0 ITFUP_SS
stop_connmgr
# However many servers there are, the gateway is asked, too.
for n in $(seq 40); do echo "nameserver 198.18.77.$n"; done >"$LAB/resolv.conf"
RESOLVER='' start_connmgr --no-ping
wait_for 10 "behind forty servers that do not answer the gateway is asked" state lan0 ITFUP_SS
kill "$relay"
stop_connmgr

# The lockdown's rules have the real names; probes pass by the bit of the mark that --mark-bit names.
for backend in nft iptables; do
    case $backend in nft) bit=9 ;; *) bit=0 ;; esac
    echo 198.18.100.53 >"$LAB/etc/whitelist"
    echo "nameserver 198.18.100.53" >"$LAB/resolv.conf"
    FIREWALL='' BACKEND=$backend RESOLVER='' start_connmgr --no-ping --mark-bit $bit
    wait_for 10 "locked by $backend: Ethernet is confirmed" state lan0 ITFUP_SS
    wait_for 5 "locked by $backend: programs may ping over it" on device ping -c 1 -W 1 -I eth0 198.18.100.8
    ip -n device link delete wlan0
    wait_for 5 "locked by $backend: Wi-Fi vanishes" state radio ITFDOWN_SU
    new_link wlan0
    ip -n device link set wlan0 down name wlan7
    ip -n device link property add dev wlan7 altname radio
    ip -n device -batch - <<'END'
link set wlan7 up
address replace 198.18.2.2/24 dev wlan7
route replace default via 198.18.2.1 dev wlan7 metric 20
END
    wait_for 10 "locked by $backend: as another device of that name, it is confirmed" state radio ITFUP_SS
    wait_for 5 "locked by $backend: programs may ping over it" on device ping -c 1 -W 1 -I wlan7 198.18.100.8
    ip -n device link delete wlan7
    new_link wlan0
    ip -n device link property add dev wlan0 altname radio
    stop_connmgr
done
