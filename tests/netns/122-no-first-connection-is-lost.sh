#!/bin/sh
# An application connects as soon as it knows the address, to a new name each time: directly, through dnsmasq
# and unbound on the device, and from behind the bridge. No first packet is lost, and unlisted addresses stay
# closed.
# takes 30 s
. "$(dirname "$0")/lib.sh"
hold_only
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
host_behind
# All the time a client tries to reach an unlisted address.
tries() {
    : >"$LAB/tried"
    while :; do
        if on device socat -u OPEN:/dev/null TCP:198.18.100.8:80,connect-timeout=0.05 2>/dev/null; then echo open; else echo shut; fi
    done >>"$LAB/tried"
}
foreign() { NAMES=n#.foreign.example first "$1" 1 "$2" | grep ' 0 unresolved, 1 lost,'; }

variant() {
    use_variant "$1"
    lockdown --dns auto
    check "$1: it holds replies" log_has 'DNS: hold'
    tries &
    tries=$!
    check "$1: directly" none_lost device 300 "$2"
    check "$1: IPv6" none_lost device 100 "$2" 198.18.100.55 80 6
    check "$1: through dnsmasq on the device" none_lost device 300 "$(($2 + 1000))" 127.0.0.1
    check "$1: through unbound on the device, which asks in mixed case" none_lost device 300 "$(($2 + 2000))" 127.0.0.2
    check "$1: behind the bridge" none_lost host 300 "$(($2 + 3000))"
    kill "$tries"
    wait "$tries" 2>/dev/null || :
    check "$1: it was tried to reach a foreign address all along" grep -q shut "$LAB/tried"
    check "$1: in vain" not grep -q open "$LAB/tried"
    check "$1: a foreign address is shut for the device" foreign device "$(($2 + 4000))"
    check "$1: and for the host behind it" foreign host "$(($2 + 4001))"
}
local_dns
variant nft 1
stop_connmgr || :
unlock
variant legacy 10001
