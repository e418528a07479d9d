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
lockdown --dns auto
! can_hold || check "it holds" log_has 'DNS: hold'
translate() {
    on device iptables -w -t nat -F
    on device conntrack -F >"$LAB/last" 2>&1 || :
    [ $# = 0 ] || on device iptables -w -t nat -A "$@"
}
n=0
opens() { address=$(on device "$LABTOOL" resolve "${SERVER:-198.18.100.55}" "$1$2.fresh.example") && reaches "$address"; }
# With nft the same translations by the lab's iptables-nft, which is another program there.
none_is_lost() {
    n=$((n + 200))
    if ! can_hold; then
        wait_for 5 "$1: an address is opened" opens n "$n"
        n=$((n + 200))
        wait_for 5 "$1: so is one of a name that needs TCP" opens t "$n"
        return
    fi
    check "$1: no first connection is lost" none_lost device 100 "$n" ${SERVER:+"$SERVER"}
    n=$((n + 200))
    NAMES=t#.fresh.example
    check "$1: nor of names that need TCP" none_lost device 20 "$n" ${SERVER:+"$SERVER"}
    unset NAMES
}
none_is_lost "untranslated"
translate POSTROUTING -p udp --dport 53 -j MASQUERADE --random-fully
on device iptables -w -t nat -A POSTROUTING -p tcp --dport 53 -j MASQUERADE --random-fully
none_is_lost "MASQUERADE --random-fully"
translate POSTROUTING -o eth0 -p udp --dport 53 -j SNAT --to-source 198.18.1.2:20000-20999
none_is_lost "SNAT"
# Another server answers: 198.18.100.99 is the one that is asked, no host has that address. At an address that is in no file, too.
echo nameserver 198.18.100.99 >>"$LAB/resolv.conf"
for asked in 198.18.100.99 198.18.100.98; do
    translate OUTPUT -p udp --dport 53 -d "$asked" -j DNAT --to-destination 198.18.100.55
    on device iptables -w -t nat -A OUTPUT -p tcp --dport 53 -d "$asked" -j DNAT --to-destination 198.18.100.55
    SERVER=$asked none_is_lost "DNAT of $asked"
done
on device iptables -w -t nat -A POSTROUTING -p udp --dport 53 -j MASQUERADE --random-fully
# The first answer shows that replies are half translated in the queue.
once() { n=$((n + 1)) && SERVER=$asked opens n "$n"; }
wait_for 20 "DNAT of $asked, and MASQUERADE --random-fully: an address is opened" once
SERVER=$asked none_is_lost "DNAT of $asked, and MASQUERADE --random-fully"
# All questions go to a name server of the device, which alone may ask others.
on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts --cache-size=0 \
    --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 --query-port=5300 >"$LAB/redirected" 2>&1 &
poll 10 on device "$LABTOOL" resolve 127.0.0.1 n65001.foreign.example
translate OUTPUT -p udp --dport 53 ! --sport 5300 -j REDIRECT --to-ports 53
on device iptables -w -t nat -A OUTPUT -p tcp --dport 53 -d 198.18.100.98 -j REDIRECT --to-ports 53
SERVER=198.18.100.98 none_is_lost "REDIRECT to a local name server"
translate
on device ip6tables -w -t nat -A POSTROUTING -p udp --dport 53 -j MASQUERADE --random-fully
n=$((n + 200))
if can_hold; then
    check "IPv6, MASQUERADE --random-fully: none is lost" none_lost device 50 "$n" 2001:db8:100::55
else
    opens6() { address=$(on device "$LABTOOL" resolve 2001:db8:100::55 "n$n.fresh.example") && reaches "$address"; }
    wait_for 5 "IPv6, MASQUERADE --random-fully: an address is opened" opens6
fi
