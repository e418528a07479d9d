#!/bin/sh
# Real DHCP clients with the scripts that Debian gives them (BusyBox udhcpc, ISC dhclient, dhcpcd) renew the
# lease of the link in use, at a real server: there is no switch, and the default stays in front. Then the
# server names another router: the default follows.
# takes 50 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/guard.sh"

lab_up
mount -t tmpfs tmpfs /var/lib/dhcpcd
mkdir -p /run/dhcpcd
ip -n r-eth address add 198.18.1.254/24 dev lan

# serve ROUTER: leases of two minutes, to be renewed after 4 s.
serve() {
    ended "${SERVER:-}"
    : >"$LAB/dhcp.log"
    nsenter --net=/run/netns/r-eth dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --port=0 \
        --interface=lan --bind-interfaces --dhcp-authoritative --dhcp-range=198.18.1.2,198.18.1.2,255.255.255.0,2m \
        --dhcp-option="option:router,$1" --dhcp-option=option:T1,4 --dhcp-option=option:T2,60 --no-ping \
        --log-dhcp --log-facility="$LAB/dhcp.log" --dhcp-leasefile="$LAB/dhcp.leases" >"$LAB/dnsmasq.dhcp" 2>&1 &
    SERVER=$!
}
ended() {
    [ -n "$1" ] || return 0
    kill "$1" 2>"$LAB/last" || :
    poll 10 not kill -0 "$1" || kill -KILL "$1"
    wait "$1" 2>"$LAB/last" || :
}
acks() { grep -c DHCPACK "$LAB/dhcp.log" || :; }
# udhcpc renews at half of its lease, whatever the server says.
renewal() {
    before=$(acks)
    [ "$NAME" != udhcpc ] || kill -USR1 "$CLIENT"
    poll 40 acknowledged
}
acknowledged() { [ "$(acks)" -gt "$before" ]; }
leads_over() { [ "$(ip -n device -4 route show default dev eth0 | awk 'NR == 1 { print $3 }')" = "$1" ] && in_use eth0; }
old_is_gone() { ! ip -n device -4 route show default dev eth0 | grep -q "via $1 "; }

client() {
    NAME=$1
    shift
    serve 198.18.1.1
    ip -n device -4 route flush dev eth0 exact default
    ip -n device -4 address flush dev eth0
    nsenter --net=/run/netns/device "$@" >"$LAB/client" 2>&1 &
    CLIENT=$!
    start_connmgr
    wait_for 30 "$NAME: eth0 is in use, it and wlan0 are confirmed" settled
    watch_routes
    for round in 1 2; do disturbed 4 "$NAME: renewal $round" renewal; done
    check "$NAME: nobody has moved" not log_has '^<[0-7]> ?using wlan0'
    check "$NAME: $(grep -c 'restoring the route' "$LAB/connmgr.log" || :) repairs" \
        test "$(grep -c 'restoring the route' "$LAB/connmgr.log" || :)" -le 4
    # The other two leave a correct route alone; dhcpcd restores its route if it is missing at its metric.
    [ "$NAME" != dhcpcd ] || restored_in_time "$NAME"

    # Debian's script of dhclient uses a new router only if the address has changed, too.
    if [ "$NAME" != dhclient ]; then
        serve 198.18.1.254
        renewal
        wait_for 20 "$NAME: another router: the default leads over it" leads_over 198.18.1.254
        wait_for 5 "$NAME: and only there" old_is_gone 198.18.1.1
    fi
    wait_for 5 "$NAME: the network works" on device ping -c 1 -W 1 198.18.100.8
    ended "$CLIENT"
    kill "$WATCH_PID"
    stop_connmgr
    on device ip link set eth0 up
}

client udhcpc busybox udhcpc -f -i eth0 -t 5 -T 1 -A 1 -s /etc/udhcpc/default.script
client dhclient dhclient -4 -d -cf /dev/null -lf "$LAB/dhclient.leases" -pf "$LAB/dhclient.pid" eth0
client dhcpcd dhcpcd -4 -A -L -B -d -f /dev/null -C hostname eth0
