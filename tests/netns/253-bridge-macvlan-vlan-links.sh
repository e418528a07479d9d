#!/bin/sh
# Links that stand on another device: a bridge with one port, a macvlan, a VLAN. Each is the first Ethernet: it is used and
# confirmed, its cable is pulled, its upstream dies silently under traffic, and it is deleted while in use. Alone, without any
# other link, it works, too.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

names() { printf '%s\n' "$@" >"$LAB/etc/netif_names"; }
# stands_on_eth1 NAME: the device NAME has the addresses and the routes that eth1 had.
stands_on_eth1() {
    ip -n device -batch - <<END
address flush dev eth1
link set eth1 up
link set $1 up
address replace 198.18.4.2/24 dev $1
address replace 2001:db8:4::2/64 dev $1
route replace 0.0.0.0/0 via 198.18.4.1 dev $1 metric 10
route replace ::/0 via 2001:db8:4::1 dev $1 metric 10
END
}
in_use_none() { log_has '^<[0-7]> ?in use: none'; }

# link NAME: plays all of it.
link() {
    stands_on_eth1 "$1"
    names "ETH_INTERFACE_0='$1'"
    start_connmgr
    wait_for 5 "$1 is in use" in_use "$1"
    wait_for 5 "$1 is confirmed" state "$1" ITFUP_SS
    unplug eth1
    wait_for 3 "$1: the cable is pulled: wlan0" in_use wlan0
    plug eth1
    wait_for 25 "$1 is back" in_use "$1"
    application tcp
    upstream_dead eth1
    wait_for 10 "$1 is dead: wlan0" in_use wlan0
    application_ends
    upstream_alive eth1
    wait_for 30 "$1 is alive again" in_use "$1"
    names "ETH_INTERFACE_0='$1'" "WIFISTA_INTERFACE_0=''" "WAN_INTERFACE_0=''"
    check "$1 alone: a reload" ask reload
    check "$1 alone: it stays in use" in_use "$1"
    unplug eth1
    wait_for 3 "$1 alone, pulled: none is in use" in_use_none
    plug eth1
    wait_for 10 "$1 alone, back" state "$1" ITFUP_SS
    names "ETH_INTERFACE_0='$1'"
    check "$1: a reload brings wlan0 back" ask reload
    wait_for 10 "$1: wlan0 is confirmed" state wlan0 ITFUP_SS
    ip -n device link delete "$1"
    wait_for 3 "$1 is deleted: wlan0" in_use wlan0
    stop_connmgr
}

lab_up
[ "$(subnet_of eth1)" = 198.18.4 ]
more_link eth1
ip -n device link add br-wan type bridge
ip -n device link set eth1 master br-wan
link br-wan
ip -n device link add link eth1 name macvlan0 type macvlan mode private
link macvlan0
if ip -n device link add link eth1 name eth1.100 type vlan id 100 2>"$LAB/last"; then
    ip -n r-eth1 -batch - <<'END'
link add link lan name lan.100 type vlan id 100
link set lan.100 up
address flush dev lan
address add 198.18.4.1/24 dev lan.100
address add 2001:db8:4::1/64 dev lan.100
END
    link eth1.100
else
    skip "this kernel has no VLAN"
fi
