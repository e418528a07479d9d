#!/bin/sh
# switch_route.sh with links that have only IPv4, only IPv6, no address, no default route, no carrier, or are
# down.
# takes 70 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

ipv4_only() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via fe80::1 dev eth0 metric 30
END
    switched eth0
    switched wlan0 "switch to a link without IPv6"
    same "IPv6 of the other link does not stay in front, and is not lost" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default via fe80::1 dev eth0 metric 30
END
    same "IPv6: put back before it goes" events <<'END'
default4 eth0 metric 10 new
default4 wlan0 metric 0 new
default4 wlan0 metric 20 gone
default6 eth0 metric 30 new
default6 eth0 metric 1 gone
END
    switched wlan0 again
    nothing "again: no events" events
}

ipv6_only() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-6 route add default via fe80::1 dev eth0 metric 10
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched eth0
    switched wlan0 "switch to a link without IPv4"
    same "IPv4 of the other link does not stay in front, and is not lost" tables <<'END'
default via 198.18.1.1 dev eth0 metric 10
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
END
    same "IPv4: put back before it goes, once IPv6 is there" events <<'END'
default6 eth0 metric 10 new
default6 wlan0 metric 1 new
default6 wlan0 metric 20 gone
default4 eth0 metric 10 new
default4 eth0 metric 0 gone
END
    switched wlan0 again
    nothing "again: no events" events
}

ipv6_switched_off() {
    new_box
    given_all
    on box sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
    switched wlan0
    same "with IPv6 switched off" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
END
}

no_way_out() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-6 route add default via fe80::1 dev eth0 metric 10
END
    switched eth0
    tables >"$LAB/before"
    refused 1 wlan0
    same "without a default route: the message" said <<'END'
connmgr route: wlan0 has no way out (IPv4: no default route; IPv6: no default route)
END
    same "without a default route: nothing changes" tables <"$LAB/before"
    nothing "without a default route: no events" events
    ip -n box link del wwan0
    refused 1 wwan0
    same "without a device: nothing changes" tables <"$LAB/before"
    given <<'END'
-4 route add default via 198.18.2.1 dev wlan0 metric 20 table 100
-6 route add default via fe80::2 dev wlan0 metric 20 table 100
END
    refused 1 wlan0
    same "with one in another table: nothing changes" tables <"$LAB/before"
}

# The router's lifetime has run out. The kernel removes expired routes only every half minute, so this one
# stays for a while.
run_out() {
    new_box
    given <<'END'
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via fe80::2 dev wlan0 metric 20 expires 1
-6 route add default via fe80::1 dev eth0 metric 1
END
    wait_for 5 "$VARIANT: a route runs out" has_run_out
    switched wlan0
    same "a route that has run out is none" no_expired <<'END'
default via 198.18.2.1 dev wlan0
default via fe80::1 dev eth0 metric 10
END
}
has_run_out() { ip -n box -6 route show default | grep -q 'expires -'; }
no_expired() { tables | grep -v expires; }

no_address() {
    new_box
    given_all
    switched eth0
    given <<'END'
address flush dev wwan0
-4 route replace default dev wwan0 metric 50
-6 route replace default dev wwan0 metric 50
END
    tables >"$LAB/before"
    refused 1 wwan0
    same "without an address: the message" said <<'END'
connmgr route: wwan0 has no way out (IPv4: no address; IPv6: no address)
END
    same "without an address: nothing changes" tables <"$LAB/before"
    given <<'END'
address flush dev wlan0
-4 route replace default via 198.18.2.1 dev wlan0 onlink metric 20
-6 route replace default via fe80::2 dev wlan0 metric 20
END
    tables >"$LAB/before"
    refused 1 wlan0
    same "without an address, the gateway on the link: nothing changes" tables <"$LAB/before"
    ip -n box -6 address add 2001:db8:2::7/64 dev wlan0
    ip -n box -6 route replace default via fe80::2 dev wlan0 metric 20
    switched wlan0 "with an IPv6 address only"
    same "it gets in front in IPv6" tables <<'END'
default via 198.18.1.1 dev eth0 metric 10
default via 198.18.2.1 dev wlan0 metric 20 onlink
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
}

carrier_lost() {
    new_box
    given_all
    switched eth0
    ip -n far link set peer1 down
    wait_for 10 "$VARIANT: eth0 has no carrier" sh -c 'ip -n box route | grep -q linkdown'
    switched wlan0
    same "a link without carrier keeps its routes" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
    switched eth0 "switch to a link without carrier"
    same "and can even be in front" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
}

set_down() {
    new_box
    given_all
    switched eth0
    ip -n box link set eth0 down
    switched wlan0
    same "of a link that is down the kernel has taken the routes, so nothing is put back" tables <<'END'
default via 198.18.2.1 dev wlan0
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default dev wwan0 metric 50
END
}

variants ipv4_only ipv6_only ipv6_switched_off no_way_out run_out no_address carrier_lost set_down
