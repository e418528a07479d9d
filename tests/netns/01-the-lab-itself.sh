#!/bin/sh
# The lab itself: what the other tests assume about its links, its cloud and its faults.
# takes 35 s
. "$(dirname "$0")/lib.sh"
lab_up

for link in eth0 wlan0 wwan0; do
    wait_for 5 "$link: ping answers, IPv4" on device ping -c 1 -W 2 -I "$link" 198.18.100.8
    wait_for 5 "$link: ping answers, IPv6" on device ping -c 1 -W 2 -I "$link" 2001:db8:100::8
    check "$link: echo answers, IPv4" asked "$link" 198.18.100.11 echo
    check "$link: echo answers, IPv6" asked "$link" 2001:db8:100::10 echo
done

names() { [ "$(on device getent ahosts echo.example | cut -d ' ' -f 1 | sort -u | tr '\n' ' ')" = "$1" ]; }
for server in 2001:db8:100::53 198.18.100.53; do
    echo "nameserver $server" >"$LAB/resolv.conf"
    check "$server knows all the addresses of the echo service" \
        names "198.18.100.10 198.18.100.11 2001:db8:100::10 2001:db8:100::11 "
done

for link in eth0 wlan0 wwan0; do
    unplug "$link"
    check "$link unplugged: no carrier" no_carrier "$link"
    plug "$link"
    wait_for 2 "$link plugged in: carrier" not no_carrier "$link"
    wait_for 2 "$link plugged in: IPv4 works again" asked "$link" 198.18.100.10 echo
    wait_for 2 "$link plugged in: IPv6 works again" asked "$link" 2001:db8:100::10 echo
done

upstream_dead eth0
check "dead upstream: nothing answers, IPv4" asked eth0 198.18.100.10 timeout
check "dead upstream: nothing answers, IPv6" asked eth0 2001:db8:100::10 timeout
check "dead upstream: no ping" not on device ping -c 1 -W 1 -I eth0 198.18.100.8
check "dead upstream: the carrier stays" not no_carrier eth0
wait_for 5 "dead upstream: the router is there" on device ping -c 1 -W 1 198.18.1.1
check "dead upstream: the other link lives" asked wlan0 198.18.100.10 echo
upstream_dead eth0 reset
check "dead upstream, resets: IPv4" asked eth0 198.18.100.10 "Connection refused"
check "dead upstream, resets: IPv6" asked eth0 2001:db8:100::10 "Connection refused"
upstream_dead eth0 unreachable
says_unreachable() { on device ping -c 1 -W 1 -I eth0 "$1" | grep -qi unreachable; }
wait_for 3 "dead upstream, unreachable: IPv4" says_unreachable 198.18.100.8
wait_for 3 "dead upstream, unreachable: IPv6" says_unreachable 2001:db8:100::8
upstream_dead eth0 beyond
wait_for 3 "dead upstream, unreachable from beyond: IPv4" says_unreachable 198.18.100.8
wait_for 3 "dead upstream, unreachable from beyond: IPv6" says_unreachable 2001:db8:100::8
upstream_alive eth0
check "upstream alive again" asked eth0 198.18.100.10 echo

dns_dead wlan0
route_dns() { ip -n device route replace 198.18.100.53 via "$(subnet_of "$1").1"; }
route_dns wlan0
check "DNS dead on one link" not on device timeout 1 getent ahosts echo.example
route_dns eth0
wait_for 5 "DNS alive on the other" on device timeout 1 getent ahosts echo.example

for mode in silent:silence close:closed wrong:wrong portal:page portal-echo:page portal-greet:unasked echo:echo; do
    echo_mode "${mode%:*}"
    check "echo service, ${mode%:*}" asked eth0 198.18.100.10 "${mode#*:}"
done
echo_mode refuse
check "echo service, refuse" asked eth0 198.18.100.10 "Connection refused"
echo_mode echo
check "echo service back" asked eth0 198.18.100.10 echo

portal eth0 portal
check "portal on one link, IPv4" asked eth0 198.18.100.10 page
check "portal on one link, IPv6" asked eth0 2001:db8:100::10 page
wait_for 5 "portal on one link: ping is let through" on device ping -c 1 -W 2 -I eth0 198.18.100.8
check "portal on one link, not on the other" asked wlan0 198.18.100.10 echo
portal eth0 off
check "portal gone" asked eth0 198.18.100.10 echo

LAB_LTE=$(bytes wwan0)
stays 3 "an idle LTE link sends nothing" lte_untouched

modem_off
check "modem gone" not ip -n device link show wwan0
modem_on
check "modem back" asked wwan0 198.18.100.10 echo

on device "$LABTOOL" watch >"$LAB/events" 2>&1 &
wait_for 2 "events are watched" grep -q watching "$LAB/events"
ip -n device link set eth0 down
wait_for 2 "events: link down" grep -q 'link eth0 down' "$LAB/events"
configure eth0 0
wait_for 2 "events: route" grep -q 'default4 eth0 metric 0 new' "$LAB/events"

# The limit is far below what an idle machine reaches.
fast() { awk '{ print; exit !($1 > 10000 && $1 < 110000) }' "$LAB/flood"; }
on cloud "$LABTOOL" flood 198.18.1.2 9 100000 3 >"$LAB/flood"
check "flood: up to 100,000 packets a second" fast
