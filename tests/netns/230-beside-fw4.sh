#!/bin/sh
# OpenWrt's fw4 beside connmgr: fw4 has its own nft table; ours are made with iptables-nft. Its accepts open
# nothing in ours, its drops count, its reload leaves ours alone, and its masquerading works for a host behind
# the bridge.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

FIREWALL=
lab_up
host_behind
PATH="$LAB/nft:$PATH"
mkdir -p "$LAB/nft"
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf "$(command -v "${tool%%-*}-nft${tool#ip*tables}")" "$LAB/nft/$tool"
done

# fw4 INPUT-POLICY EXTRA: replaces its table in one step, as `fw4 reload` does.
fw4() {
    on device nft -f - <<END
table inet fw4 {}
delete table inet fw4
table inet fw4 {
    chain input { type filter hook input priority filter; policy $1; ct state established,related accept; iifname lo accept; }
    chain output { type filter hook output priority filter; policy accept
        $2
    }
    chain forward { type filter hook forward priority filter; policy drop
        ct state established,related accept
        iifname "br-apnet" oifname { "eth0", "wlan0", "wwan0" } accept
    }
    chain srcnat { type nat hook postrouting priority srcnat; policy accept
        oifname { "eth0", "wlan0", "wwan0" } masquerade
    }
}
END
}
reaches() { on "$1" socat -u OPEN:/dev/null "TCP:$2:80,connect-timeout=1"; }
repairs() { grep -c 'restoring it' "$LAB/connmgr.log" || :; }
undisturbed() { [ "$(repairs)" = 0 ]; }

fw4 accept ""
echo 198.18.100.10 >"$LAB/etc/whitelist"
start_connmgr
wait_for 5 "locked" log_has "locked in"
wait_for 5 "fw4 accepts everything: we reach what is whitelisted" reaches device 198.18.100.10
check "and nothing else" not reaches device 198.18.100.8
check "nor does the host behind the bridge" not reaches host 198.18.100.8
check "which reaches what is whitelisted, masqueraded by fw4" reaches host 198.18.100.10
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/ears" 2>&1 &
wait_for 3 "the device listens" grep -q listening "$LAB/ears"
check "nobody gets in, though fw4 lets them" not on cloud socat -u OPEN:/dev/null TCP:198.18.1.2:7001,connect-timeout=1

for _ in 1 2 3 4 5; do fw4 drop ""; done
check "fw4 reload: what is whitelisted is still reached" reaches device 198.18.100.10
check "fw4 reload: what is not is not" not reaches device 198.18.100.8
fw4 drop "ip daddr 198.18.100.10 drop"
check "what fw4 drops is dropped" not reaches device 198.18.100.10
fw4 drop ""
check "until it does so no longer" reaches device 198.18.100.10
stays 3 "its changes are none of our business" undisturbed

on device nft flush ruleset
wait_for 5 "nft flush ruleset: noticed, and locked again" not reaches device 198.18.100.8
wait_for 3 "and open what is whitelisted" reaches device 198.18.100.10
check "it is said" log_has 'another program changed the firewall, restoring it'
