#!/bin/sh
# Another program's rules translate the address or port of the device's own questions (MASQUERADE --random-fully, SNAT, DNAT to
# another server, a port that was taken). The answers count all the same: no first connection is lost while replies are held. By UDP and
# TCP; both families.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
nsenter --net=/run/netns/cloud "$LABTOOL" names 2001:db8:100::55 2001:db8:100::8 >"$LAB/names6.log" 2>&1 &
poll 10 grep -q answering "$LAB/names6.log"
echo nameserver 2001:db8:100::55 >>"$LAB/resolv.conf"
lockdown --dns hold
check "it holds" log_has 'DNS: hold'
translate() {
    on device iptables -w -t nat -F
    on device conntrack -F >"$LAB/last" 2>&1 || :
    [ $# = 0 ] || on device iptables -w -t nat -A "$@"
}
n=0
none_is_lost() {
    n=$((n + 200))
    check "$1: no first connection is lost" none_lost device 100 "$n"
    n=$((n + 200))
    NAMES=t#.fresh.example
    check "$1: nor of names that need TCP" none_lost device 20 "$n"
    unset NAMES
}
none_is_lost "untranslated"
translate POSTROUTING -p udp --dport 53 -j MASQUERADE --random-fully
on device iptables -w -t nat -A POSTROUTING -p tcp --dport 53 -j MASQUERADE --random-fully
none_is_lost "MASQUERADE --random-fully"
translate POSTROUTING -o eth0 -p udp --dport 53 -j SNAT --to-source 198.18.1.2:20000-20999
none_is_lost "SNAT"
translate
on device ip6tables -w -t nat -A POSTROUTING -p udp --dport 53 -j MASQUERADE --random-fully
n=$((n + 200))
check "IPv6, MASQUERADE --random-fully: none is lost" none_lost device 50 "$n" 2001:db8:100::55
