#!/bin/sh
# An extender behind the bridge: no first connection to a new address is lost, whether it asks the cloud's
# name server, the device redirects its questions, or it asks a forwarder on the device.
# takes 20 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/fresh.sh"

FIREWALL=
lab_up
host_behind
fresh_names
reaches() { on "$1" socat -u OPEN:/dev/null "TCP:$2:80,connect-timeout=0.9"; }
# first HOST FROM TO: connects to new names one after the other; prints those whose first connection was lost.
first() {
    seq "$2" "$3" | while read -r n; do
        reaches "$1" "h-198-18-101-$n.fresh.example" 2>/dev/null ||
            { ! can_hold && poll 3 reaches "$1" "198.18.101.$n"; } || echo "$n"
    done
}
no_output() { [ -z "$("$@")" ]; }
nameserver() { echo "nameserver $1" >"$LAB/resolv.conf"; }

printf '*.fresh.example\n' >"$LAB/etc/whitelist"
start_connmgr --dns auto --resolver 198.18.100.54
if can_hold; then
    wait_for 3 "it holds replies" log_has 'DNS: hold'
else
    wait_for 3 "it sees replies" log_has 'DNS: sniff'
fi
wait_for 5 "eth0 is in use" in_use eth0
check "the device's name server: none is lost" no_output first host 1 20
check "a foreign name is resolved for the host" on host getent ahostsv4 other.example
check "and shut" not reaches host other.example

# Unit tests cover DnsWatch.Redirected, which finds the question if the kernel does not report conntrack
# tuples. This test passes without it.
nameserver 198.18.100.99
if is_nft; then
    on device nft 'add chain inet lab dstnat { type nat hook prerouting priority dstnat; }
        add rule inet lab dstnat iifname br-apnet udp dport 53 dnat ip to 198.18.100.54'
else
    on device iptables -w -t nat -A PREROUTING -i br-apnet -p udp --dport 53 -j DNAT --to 198.18.100.54
fi
check "redirected: none is lost" no_output first host 21 40
if is_nft; then on device nft flush chain inet lab dstnat; else on device iptables -w -t nat -F PREROUTING; fi

nameserver 198.18.50.1
on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
    --log-facility="$LAB/forwarder.log" --bind-interfaces --listen-address=198.18.50.1,127.0.0.1 --server=198.18.100.54 \
    >"$LAB/forwarder.out" 2>&1 &
poll 10 grep -q started "$LAB/forwarder.log"
check "a forwarder on the device: none is lost" no_output first host 61 80
nameserver 127.0.0.1
check "the device asks it itself: none is lost" no_output first device 81 100
