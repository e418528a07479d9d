#!/bin/sh
# connmgr route with an IPv6 default from router advertisements: the kernel's route stays where it is and is
# renewed there. A copy goes in front and is removed again; it does not outlive the kernel's route.
# takes 25 s
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

# The router's address differs in every box.
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
    same "a copy gets in front, and does not run out there" ipv6 <<'END'
default via ROUTER dev eth0 proto 175 metric 1 hoplimit 64
default via fe80::2 dev wlan0 metric 20
default via ROUTER dev eth0 proto ra metric 1024 expires Nsec hoplimit 64
END
    switched wlan0
    same "the copy goes, the kernel's route stays" ipv6 <<'END'
default via fe80::2 dev wlan0 metric 1
default via ROUTER dev eth0 proto ra metric 1024 expires Nsec hoplimit 64
END
    switched eth0
    router_on
    ip -n box -6 route flush proto ra
    wait_for 20 "$VARIANT: in front: the kernel takes the next advertisement" advertised
    router_off
    switched eth0 again
    same "one copy" ipv6 <<'END'
default via ROUTER dev eth0 proto 175 metric 1 hoplimit 64
default via fe80::2 dev wlan0 metric 20
default via ROUTER dev eth0 proto ra metric 1024 expires Nsec hoplimit 64
END
    ip -n box -6 route flush proto ra # as if the router announced that it is not a router any more
    switched eth0 "its router gone"
    same "the copy does not outlive the kernel's route" ipv6 <<'END'
default via fe80::2 dev wlan0 metric 20
END
}

variants advertisements
