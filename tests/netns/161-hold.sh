#!/bin/sh
# A reply waits until its addresses are open: no first connection to a new address is lost, even if an
# application connects at once. If the daemon is killed, the kernel bypasses it; if it is stopped, it releases
# the waiting replies.
# takes 25 s
. "$(dirname "$0")/lib.sh"
hold_only
. "$NETNS_DIR/fresh.sh"

FIREWALL=
lab_up
fresh_names
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=0.9"; }
# first FROM TO: connects to new names one after the other; prints those whose connection failed.
first() {
    seq "$1" "$2" | while read -r n; do
        reaches "h-198-18-101-$n.fresh.example" 2>/dev/null || echo "$n"
    done
}
no_output() { [ -z "$("$@")" ]; }
resolves() { on device getent ahostsv4 "$1"; }

variant() {
    VARIANT=$1
    mkdir -p "$LAB/$VARIANT"
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "$(command -v "${tool%%-*}-$VARIANT${tool#ip*tables}")" "$LAB/$VARIANT/$tool"
    done
    PATH="$LAB/$VARIANT:$system_path"
}
system_path=$PATH

printf '*.fresh.example\n' >"$LAB/etc/whitelist"
variant nft
start_connmgr --dns auto
wait_for 3 "nft: it holds replies" log_has 'locked in [0-9]+ ms; addresses by sets; DNS: hold'
wait_for 5 "eth0 is in use" in_use eth0
check "nft: no first connection to a fresh address is lost" no_output first 1 40
check "nft: a foreign name is resolved" resolves other.example
check "nft: and shut" not reaches other.example
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>/dev/null || :
check "killed: names are resolved" resolves h-198-18-101-50.fresh.example
check "killed: what was open is open" reaches 198.18.101.1
check "killed: nothing else is" not reaches 198.18.101.50
start_connmgr --dns auto
wait_for 10 "started again: it holds replies" log_has 'DNS: hold'
check "started again: it knows what was open" log_has '[1-9][0-9]* names* of open addresses kept'
check "started again: no first connection to a fresh address is lost" no_output first 51 60
stop_connmgr || :
check "stopped: names are resolved" resolves h-198-18-101-70.fresh.example
check "stopped: what was open is open" reaches 198.18.101.51

on device iptables -F; on device ip6tables -F
for table in iptables ip6tables; do for hook in INPUT OUTPUT FORWARD; do on device $table -P $hook ACCEPT; done; done
variant legacy
start_connmgr --dns hold
wait_for 3 "legacy: it holds replies" log_has 'DNS: hold'
wait_for 5 "eth0 is in use" in_use eth0
check "legacy: no first connection to a fresh address is lost" no_output first 101 130
