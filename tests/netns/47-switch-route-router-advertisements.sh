#!/bin/sh
# switch_route.sh and an IPv6 default that the kernel has from a router's advertisements: it gets in front and back, and the
# kernel goes on taking the advertisements (it refuses them if somebody else's route is where its own would have to be).
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

router_on() {
    nsenter --net=/run/netns/far dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 --no-resolv \
        --dhcp-leasefile="$LAB/leases" --interface=peer1 --enable-ra --ra-param=peer1,4,1800 \
        --dhcp-range=2001:db8:77::,ra-only,64 >"$LAB/dnsmasq.out" 2>&1 &
    ROUTER_PID=$!
}
router_off() {
    kill -KILL "$ROUTER_PID"
    wait "$ROUTER_PID" 2>/dev/null || :
}

# The router's address is another one in every box.
ipv6() { tables | grep : | sed 's/via fe80::[0-9a-f]*:[0-9a-f:]*/via ROUTER/'; }
advertised() { ipv6 | grep -q 'dev eth0 proto ra metric 1024 expires'; }

advertisements() {
    new_box
    on box sh -c 'echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra'
    ip -n far address add 2001:db8:77::1/64 dev peer1 nodad
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via fe80::2 dev wlan0 metric 20
END
    router_on
    wait_for 20 "$VARIANT: the kernel has a default from an advertisement" advertised
    router_off

    switched eth0
    same "it gets in front, and does not run out there" ipv6 <<'END'
default via ROUTER dev eth0 [proto ra] metric 1 [hoplimit 64]
default via fe80::2 dev wlan0 metric 20
END
    switched wlan0
    same "it is put back behind the kernel's place, and runs out as before (if ip can say so)" ipv6 <<'END'
default via fe80::2 dev wlan0 metric 1
default via ROUTER dev eth0 [proto ra] metric 1025 [expires Nsec] [hoplimit 64]
END
    switched eth0
    switched wlan0
    same "a second time: in the same place" ipv6 <<'END'
default via fe80::2 dev wlan0 metric 1
default via ROUTER dev eth0 [proto ra] metric 1025 [expires Nsec] [hoplimit 64]
END

    router_on
    wait_for 20 "$VARIANT: the kernel takes the next advertisement" advertised
    switched eth0
    same "one default a link" ipv6 <<'END'
default via ROUTER dev eth0 [proto ra] metric 1 [hoplimit 64]
default via fe80::2 dev wlan0 metric 20
END
    wait_for 20 "$VARIANT: in front: the kernel takes advertisements" advertised
    router_off
    switched wlan0
    same "the kernel's is there again: nothing is put back beside it" ipv6 <<'END'
default via fe80::2 dev wlan0 metric 1
default via ROUTER dev eth0 proto ra metric 1024 expires Nsec hoplimit 64
END
}

variants advertisements
