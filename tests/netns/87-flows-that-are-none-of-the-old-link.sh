#!/bin/sh
# What a switch must not touch while the old link still works: listeners, neighbours on its subnet, sockets
# that are bound to its device or marked as the daemon's own, peers that a static route or a rule still sends
# over it; for the device and for a host behind it.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── wlan0 (old), eth0 (new)
# takes 15 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
lab_up
host_behind
ip -n device link set eth0 down
start_connmgr
wait_for 5 "without eth0, wlan0 is in use and confirmed" sh -c "grep -q 'wlan0: .*ITFUP_SS' '$LAB/connmgr.log'"
wait_for 2 "its route is in front" in_use wlan0

ip -n device route add 198.18.100.8/32 via 198.18.2.1 dev wlan0
ip -n device -6 route add 2001:db8:100::8/128 via 2001:db8:2::1 dev wlan0
ip -n device rule add fwmark 7 lookup 100
ip -n device route add default via 198.18.2.1 dev wlan0 table 100
echo echo >"$LAB/neighbour-mode"
on r-wlan "$LABTOOL" echo 7000 "$LAB/neighbour-mode" >"$LAB/neighbour.log" 2>&1 &
on device "$LABTOOL" echo 7001 "$LAB/neighbour-mode" >"$LAB/listener.log" 2>&1 &
wait_for 2 "a neighbour listens" grep -q listening "$LAB/neighbour.log"
wait_for 2 "the device listens" grep -q listening "$LAB/listener.log"

# talk NAME HOST ARGS...
talk() {
    lab_name=$1 lab_from=$2
    shift 2
    on "$lab_from" "$LABTOOL" talk "$@" 100 >"$LAB/talk.$lab_name" &
}
# socat NAME OPTIONS: to the cloud; a line every 100 ms, which comes back.
beat() { while echo beat; do sleep 0.1; done; }
bound() { beat | on device socat - "$2" >"$LAB/talk.$1" 2>"$LAB/talk.$1.error" & }

talk neighbour device tcp 198.18.2.1 7000
talk neighbour6 device tcp 2001:db8:2::1 7000
talk neighbour-udp device udp 198.18.2.1 7000
talk caller r-wlan tcp 198.18.2.2 7001
talk static device tcp 198.18.100.8 80
talk static6 device tcp 2001:db8:100::8 80
talk static-udp device udp 198.18.100.8 80
talk behind-neighbour host tcp 198.18.2.1 7000
talk behind-static host tcp 198.18.100.8 80
bound device TCP:198.18.100.11:80,so-bindtodevice=wlan0
bound device-udp UDP:198.18.100.11:80,so-bindtodevice=wlan0
bound own TCP:198.18.100.11:80,setsockopt-int=1:36:45024
bound ruled TCP:198.18.100.11:80,setsockopt-int=1:36:7
talk ends device tcp 198.18.100.11 80
kept="neighbour neighbour6 neighbour-udp caller static static6 static-udp behind-neighbour behind-static device device-udp
    own ruled"
for name in $kept ends; do
    wait_for 3 "$name: gets answers" grep -qE ' answer|beat' "$LAB/talk.$name"
done
entry() { on device conntrack -L "$@" 2>/dev/null | grep -q .; }
check "conntrack has the device-bound flow" entry -p udp --orig-src 198.18.2.2 --orig-dst 198.18.100.11

configure eth0
wait_for 5 "eth0 takes over" in_use eth0
wait_for 2 "one connection is ended" grep -q lost "$LAB/talk.ends"
wait_for 2 "it was the only one" log_has 'ended 1 TCP and 0 UDP flows and [0-9]+ conntrack entries over wlan0'

# Except the marked one: its route has moved, and its owner handles that.
for name in $kept; do
    check "$name: not ended" test ! -s "$LAB/talk.$name.error" -a -z "$(grep lost "$LAB/talk.$name" || :)"
    lines=$(wc -l <"$LAB/talk.$name")
    grown() { [ "$(grep -cE ' answer|beat' "$1")" -gt "$2" ]; }
    case $name in
        own) ;;
        *) wait_for 2 "$name: goes on" grown "$LAB/talk.$name" "$lines" ;;
    esac
done
check "the device still listens" grep -q . <<END
$(on device ss -Hltn sport = 7001)
END
check "conntrack keeps the device-bound flow" entry -p udp --orig-src 198.18.2.2 --orig-dst 198.18.100.11
check "conntrack keeps the static one" entry -p tcp --orig-src 198.18.2.2 --orig-dst 198.18.100.8
check "conntrack keeps the neighbour of the host behind" entry -p tcp --orig-src 198.18.50.2 --orig-dst 198.18.2.1
check "conntrack keeps the static one of the host behind" entry -p tcp --orig-src 198.18.50.2 --orig-dst 198.18.100.8
