#!/bin/sh
# switch_route.sh with more than one default per link in the table: it moves every route that is in the way
# behind the new one, loses none, and leaves the others alone.
# takes 75 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

# The state that BusyBox's udhcpc leaves. The kernel refuses to replace a route behind another of the same
# metric.
all_at_metric_0() {
    new_box
    given <<'END'
-4 route append default via 198.18.1.1 dev eth0
-4 route append default dev wwan0
-4 route append default via 198.18.2.1 dev wlan0
END
    switched wlan0
    same "the others are behind it, at the metrics of their kinds" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
END
    same "each is put behind first, and removed from the front then" events <<'END'
default4 eth0 metric 10 new
default4 wwan0 metric 50 new
default4 eth0 metric 0 gone
default4 wwan0 metric 0 gone
END
}

two_in_front() {
    new_box
    given <<'END'
-4 route append default via 198.18.1.1 dev eth0
-4 route append default dev wwan0
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via fe80::1 dev eth0 metric 1
-6 route append default dev wwan0 metric 1
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched wlan0
    same "both are behind it" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
}

behind_it_at_the_same_metric() {
    new_box
    given <<'END'
-4 route append default via 198.18.2.1 dev wlan0
-4 route append default via 198.18.1.1 dev eth0
-6 route add default via fe80::2 dev wlan0 metric 1
-6 route append default dev wwan0 metric 1
END
    switched wlan0
    same "what stood behind it at its own metric is moved" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default via fe80::2 dev wlan0 metric 1
default dev wwan0 metric 50
END
}

several_of_its_own() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-4 route add default via 198.18.2.9 dev wlan0 metric 21
-4 route add default via 198.18.1.9 dev eth0 metric 1
-6 route add default via fe80::2 dev wlan0 metric 20
-6 route add default via fe80::9 dev wlan0 metric 30
END
    switched wlan0
    same "its best one moves, others stay" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.9 dev eth0 metric 1
default via 198.18.1.1 dev eth0 metric 10
default via 198.18.2.9 dev wlan0 metric 21
default via fe80::2 dev wlan0 metric 1
default via fe80::9 dev wlan0 metric 30
END
}

twice_the_same() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev wlan0 metric 21
-4 route add default via 198.18.2.1 dev wlan0 metric 31
END
    switched wlan0
    same "the same route twice becomes one" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
END
    switched eth0
    same "the better one's metric is remembered" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 21
END
}

# A DHCP client, or the kernel after a router's advertisement, does not find its route and makes it again.
made_again() {
    new_box
    given_all
    switched eth0
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-6 route add default via fe80::1 dev eth0 metric 10
END
    switched wlan0
    same "what is there already is not put back a second time" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
    given <<'END'
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched wlan0 "and what has come again behind it is removed:"
    same "one default a link" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
}

nobodys_links() {
    new_box
    ip -n box tuntap add tun0 mode tun
    ip -n box tuntap add tun1 mode tun
    given <<'END'
link set tun0 up
address add 198.18.9.1/32 dev tun0
link set tun1 up
-4 route append default dev tun0
-4 route append default dev tun1
-4 route append default via 198.18.1.1 dev eth0
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-4 route add blackhole default metric 100
-6 route add default dev tun0 metric 1
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched wlan0
    same "VPNs in front end up behind all links, at the first free metrics from 100" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
blackhole default metric 100
default dev tun0 scope link metric 101
default dev tun1 scope link metric 102
default via fe80::2 dev wlan0 metric 1
default dev tun0 metric 100
END
    new_box
    given <<'END'
-4 route add blackhole default
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add unreachable default metric 1
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched wlan0
    same "so does a blackhole" tables <<'END'
default via 198.18.2.1 dev wlan0
blackhole default metric 100
default via fe80::2 dev wlan0 metric 1
unreachable default dev lo metric 100
END
}

# IPv6 would join routes of the same metric into a multipath route, and one link's route would vanish in
# another's.
the_same_metric() {
    new_box
    given <<'END'
-4 route append default via 198.18.1.1 dev eth0 metric 100
-4 route append default via 198.18.2.1 dev wlan0 metric 100
-4 route append default dev wwan0 metric 100
-6 route add default dev wwan0 metric 100
-6 route append default via fe80::1 dev eth0 metric 100
END
    switched eth0
    given <<'END'
-6 route append default via fe80::2 dev wlan0 metric 100
END
    switched wlan0
    same "where the metric is taken, the next one" tables <<'END'
default via 198.18.2.1 dev wlan0
default dev wwan0 scope link metric 100
default via 198.18.1.1 dev eth0 metric 101
default via fe80::2 dev wlan0 metric 1
default dev wwan0 metric 100
default via fe80::1 dev eth0 metric 101
END
    switched eth0
    switched wwan0
    # eth0 goes back to its old metric. wlan0 had none, and 100 and 101 are taken when it is copied.
    same "the next free one again" tables <<'END'
default dev wwan0 scope link
default via 198.18.1.1 dev eth0 metric 101
default via 198.18.2.1 dev wlan0 metric 102
default dev wwan0 metric 1
default via fe80::1 dev eth0 metric 101
default via fe80::2 dev wlan0 metric 102
END
}

multipath() {
    new_box
    given <<'END'
-4 route add default proto 201 nexthop via 198.18.1.1 dev eth0 weight 3 nexthop via 198.18.2.9 dev wlan0 weight 1
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default proto 201 metric 1 nexthop via fe80::1 dev eth0 nexthop via fe80::9 dev wwan0
-6 route add default via fe80::2 dev wlan0 metric 20
END
    switched wlan0
    same "a multipath default ends up behind all links; IPv6's is one route a link" tables <<'END'
default via 198.18.2.1 dev wlan0
default proto 201 metric 100
	nexthop via 198.18.1.1 dev eth0 weight 3
	nexthop via 198.18.2.9 dev wlan0 weight 1
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 proto 201 metric 10
default via fe80::9 dev wwan0 proto 201 metric 50
END
    given <<'END'
-6 route flush default
-6 route add default metric 1024 nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev wlan0
END
    switched wlan0
    same "out of an IPv6 multipath default its own part moves" tables <<'END'
default via 198.18.2.1 dev wlan0
default proto 201 metric 100
	nexthop via 198.18.1.1 dev eth0 weight 3
	nexthop via 198.18.2.9 dev wlan0 weight 1
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 1024
END
}

not_its_business() {
    new_box
    given_all
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 table 100
-4 route add 0.0.0.0/1 via 198.18.1.1 dev eth0
-6 route add default via fe80::1 dev eth0 table 100 metric 1
-6 route add default via fe80::7 dev eth0 table 1000 metric 1
-6 route add default from 2001:db8:1::/64 via fe80::1 dev eth0 metric 1
-6 route add unreachable default metric 4294967295
-4 route add blackhole default metric 4294967295
END
    given <<'END'
-4 route add default tos 0x10 via 198.18.1.1 dev eth0
END
    everything() {
        { ip -n box -4 route show table all; ip -n box -6 route show table all; } |
            grep 'table 1\|/1\|from\|tos\|unreachable\|blackhole' | sed 's/ *$//'
    }
    everything >"$LAB/before-all"
    switched wlan0
    switched wwan0
    same "other tables, other prefixes, routes for one source or TOS, the last resort stay" everything <"$LAB/before-all"
}

variants all_at_metric_0 two_in_front behind_it_at_the_same_metric several_of_its_own twice_the_same \
    made_again nobodys_links the_same_metric multipath not_its_business
