#!/bin/sh
# Locked, path MTU discovery works for IPv4 and IPv6: a router before a link with a small MTU informs the
# device and the host. Where the device's own link is the small one, the device informs the host.
#
#   host ── device ──1500── r-eth ──1300── cloud
# takes 25 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
dd if=/dev/zero of="$LAB/big" bs=1000 count=100 2>/dev/null

narrow() {
    unlock
    lock
    admit 198.18.100.10 2001:db8:100::10
    forget
    ip -n r-eth link set wan mtu 1300
    ip -n cloud link set eth mtu 1300
    for who in device host; do
        wait_for 3 "$WITH$who: a big packet, IPv4: told the way is narrow" told "$who" -4 198.18.100.10 1300
        wait_for 3 "$WITH$who: a big packet, IPv6: told the way is narrow" told "$who" -6 2001:db8:100::10 1300
        wait_for 3 "$WITH$who: much data gets there, IPv4" uploads "$who" TCP4:198.18.100.10:80
        wait_for 3 "$WITH$who: much data gets there, IPv6" uploads "$who" 'TCP6:[2001:db8:100::10]:80'
    done
    ip -n r-eth link set wan mtu 1500
    ip -n cloud link set eth mtu 1500

    forget
    ip -n device link set eth0 mtu 1350
    ip -n r-eth link set lan mtu 1350
    wait_for 3 "${WITH}host: the device tells it, IPv4" told host -4 198.18.100.10 1350
    wait_for 3 "${WITH}host: the device tells it, IPv6" told host -6 2001:db8:100::10 1350
    wait_for 3 "${WITH}host: much data gets through, IPv4" uploads host TCP4:198.18.100.10:80
    wait_for 3 "${WITH}host: much data gets through, IPv6" uploads host 'TCP6:[2001:db8:100::10]:80'
    ip -n device link set eth0 mtu 1500
    ip -n r-eth link set lan mtu 1500
}

# Also flush the path MTUs that are cached.
forget() {
    for who in device host; do
        ip -n "$who" route flush cache
        ip -n "$who" -6 route flush cache
    done
}

# told HOST FAMILY ADDRESS MTU: the first packet is too big; after it the kernel knows the path MTU.
told() {
    on "$1" ping "$2" -M "do" -c 1 -W 1 -s 1400 "$3" || :
    ip -n "$1" "$2" route get "$3" | grep -w "mtu $4"
}
# uploads HOST TARGET: true if everything comes back from the echo service.
uploads() { [ "$(on "$1" timeout 5 socat -t 1 - "$2" <"$LAB/big" | wc -c)" = 100000 ]; }

backends narrow
