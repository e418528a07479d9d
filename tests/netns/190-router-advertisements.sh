#!/bin/sh
# Routers advertise themselves, and the kernel installs their IPv6 defaults: the chosen link's default stays
# in front (metric 1), whatever advertisements come, also if one adds another link's default beside it. It is
# restored within 100 ms.
# takes 25 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/guard.sh"

# advertises ROUTER NET: sends an advertisement now, and regularly from now on.
advertises() {
    falls_silent "$1"
    nsenter --net="/run/netns/$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 --no-resolv \
        --dhcp-leasefile="$LAB/leases.$1" --interface=lan --enable-ra --ra-param=lan,4,1800 \
        --dhcp-range="2001:db8:$2::,ra-only,64" >"$LAB/dnsmasq.$1" 2>&1 &
    echo $! >"$LAB/ra.$1"
}
falls_silent() {
    [ ! -e "$LAB/ra.$1" ] || { kill -KILL "$(cat "$LAB/ra.$1")"; wait "$(cat "$LAB/ra.$1")" 2>"$LAB/last" || :; }
    rm -f "$LAB/ra.$1"
}
# advertised ROUTER NET EVENT: the same, then waits for the kernel's event.
advertised() {
    before=$(grep -c "$3" "$LAB/events" || :)
    advertises "$1" "$2"
    poll 20 said_again "$3"
}
said_again() { [ "$(grep -c "$1" "$LAB/events")" -gt "$before" ]; }
has6() { ip -n device -6 route show default dev "$1" | grep -E -- "$2"; }
kernels() { has6 "$1" 'proto ra metric 1024 expires'; }

lab_up
for link in eth0 wlan0; do
    ip -n device -6 address flush dev "$link" scope global
    ip -n device -6 route flush dev "$link" exact default
done
advertises r-eth 1
advertises r-wlan 2
wait_for 20 "the kernel has a default of eth0's router" kernels eth0
wait_for 20 "and one of wlan0's" kernels wlan0
has_own() { ip -n device -6 address show dev "$1" scope global dynamic | grep -q inet6; }
wait_for 5 "and addresses by their prefixes" has_own eth0
start_connmgr
wait_for 10 "eth0 is in use, it and wlan0 are confirmed" settled
check "a copy of the advertised default is in front" has6 eth0 'via fe80::.* proto 175 metric 1 '
watch_routes

advertises r-eth 1
wait_for 20 "the next advertisement: the kernel goes on with its own default, behind" kernels eth0
wait_for 20 "the same of wlan0" kernels wlan0
check "eth0 is in front" in_use6 eth0
check "nothing had to be restored" not log_has 'restoring the route'

# The default must not fall behind another link if the kernel makes its own anew.
for round in 1 2 3; do
    falls_silent r-eth # or an advertisement comes before its time
    ip -n device -6 route flush dev eth0 exact default
    calm
    disturbed 6 "all its defaults deleted, and advertised again, round $round" advertised r-eth 1 "default6 eth0 metric 1024 new"
done

# Since Linux 5.12 an administrator can set the metric of advertised defaults.
if [ -e /proc/sys/net/ipv6/conf/all/ra_defrtr_metric ]; then
    on device sh -c 'echo 1 >/proc/sys/net/ipv6/conf/wlan0/ra_defrtr_metric'
    for round in 1 2 3 4; do
        disturbed 6 "wlan0's is advertised in front, round $round" advertised r-wlan 2 "default6 wlan0 metric 1 new"
    done
    check "the log says what was found" log_has 'restoring the route over eth0: found IPv4 default via 198.18.1.1 dev eth0 metric 0, IPv6 default via fe80::[0-9a-f:]+ dev (wlan0|eth0) metric 1'
fi
restored_in_time "IPv6"
check "nobody has moved" not log_has '^<[0-7]> ?using wlan0'
check "the network works, IPv6" on device ping -c 1 -W 2 2001:db8:100::8
