#!/bin/sh
# Another program's rules drop what the lockdown admits: all input, before our rules or after them; output; DNS; IPv6;
# one service alone. `connmgr status` says what is dropped, and ends with 1. There is no switch to LTE, since every link
# drops the same. A dead service, a closed address and a full queue do not count as drops. With nft and with iptables.
# takes 200 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

FIREWALL=
lab_up
echo echo.example >"$LAB/etc/whitelist"
for port in 8443 8444 8445 8446; do
    nsenter --net=/run/netns/cloud "$LABTOOL" echo $port "$LAB/echo-mode" >"$LAB/echo$port.log" 2>&1 &
    poll 10 grep -q listening "$LAB/echo$port.log"
done
rule eth0 -I FORWARD -p tcp --dport 8447 -j DROP
system_path=$PATH
clients=

# client ADDRESS:PORT: a program of the device that connects again and again.
client() {
    (while :; do on device socat -u OPEN:/dev/null "TCP:$1,connect-timeout=6" 2>/dev/null || :; sleep 0.5; done) &
    clients="$clients $!"
}
no_clients() {
    # shellcheck disable=SC2086  # process ids
    kill $clients 2>/dev/null || :
    clients=
}
status_is_good() { exits 0 ask status; }
dropped() { exits 1 ask status && tr -s ' \n' ' ' <"$LAB/said" | grep -qE -- "$1"; }
nothing_dropped() { not status_has '^ *dropped' && not log_has 'this device drops'; }
drops_all() {
    on device nft -f - <<END
table inet foreign {
    chain $1 { type filter hook $1 priority $2; policy drop; iif lo accept; oif lo accept; }
}
END
}
says_dropped() {
    wait_for 60 "$1" dropped "$2"
}

all_is_dropped() {
    drops_all input -200
    says_dropped "$1: all input is dropped ahead of ours: status says so, and where" \
        'input: answers from 198.18.100.1[01] tcp 80 arrive, but do not reach.* inet foreign input \(policy drop\)'
    wait_for 40 "$1: the links have failed" state eth0 ITFUP_SF
    check "$1: the probe says why" status_has 'this device drops'
    on device nft delete table inet foreign
    drops_all output 10
    says_dropped "$1: all output is dropped behind ours" 'output: packets to 198.18.100.(1[01]|53) (tcp|udp) [0-9]+ do not leave'
    on device nft delete table inet foreign
    check "$1: LTE was never touched" lte_untouched
    check "$1: metrics and JSON agree" status_is_valid
    check "$1: metrics" metrics_have '^connmgr_firewall_local_drops 1$'
    wait_for 150 "$1: it is over: status is good again" status_is_good
    check "$1: the log says so" log_has 'no longer drops'
}

with_nft() {
    BACKEND=nft
    start_connmgr
    wait_for 30 "nft: eth0 and wlan0 are confirmed" settled
    wait_for 10 "nft: status is good" status_is_good
    wait_for 30 "nft: locked" log_has 'locked in '
    on device nft -f - <<'END'
table inet harmless {
    chain input { type filter hook input priority 10; udp dport 9 drop; }
}
END
    wait_for 20 "nft: another program's rules: the links are probed" log_has 'probe of eth0: started: another program changed the firewall'
    client 198.18.100.10:8447 # no server answers
    client 198.18.100.8:80    # closed
    stays 12 "nft: a dead service and a closed address are no drops" nothing_dropped
    no_clients
    for port in 8443 8444; do client 198.18.100.10:$port; done
    client '[2001:db8:100::10]:8445'
    client 198.18.100.11:8446
    on device nft -f - <<'END'
table inet foreign {
    chain before { type filter hook input priority -20; tcp sport 8443 drop; meta nfproto ipv6 tcp sport 8445 drop; }
    chain after { type filter hook output priority 10; tcp dport 8444 drop; }
    chain names { type filter hook input priority 20; udp sport 53 drop; }
}
END
    on device iptables-legacy -I INPUT -p tcp --sport 8446 -j DROP
    says_dropped "nft: one service, ahead of ours" 'answers from 198.18.100.10 tcp 8443 arrive'
    says_dropped "nft: one service, its packets" 'packets to 198.18.100.10 tcp 8444 do not leave'
    says_dropped "nft: IPv6 alone" 'answers from 2001:db8:100::10 tcp 8445 arrive'
    says_dropped "nft: a rule of iptables-legacy" 'answers from 198.18.100.11 tcp 8446 arrive.*iptables-legacy'
    says_dropped "nft: answers of the name server" 'answers from 198.18.100.53 udp 53 arrive'
    check "nft: the links are good all the same" state eth0 ITFUP_SS
    on device nft delete table inet foreign
    on device iptables-legacy -D INPUT -p tcp --sport 8446 -j DROP
    no_clients
    all_is_dropped nft
    # Packets that a full queue of the device drops have passed all rules: the links are dead, and LTE is right.
    client 198.18.100.10:8443
    for link in eth0 wlan0; do on device tc qdisc add dev "$link" root tbf rate 1kbit burst 50 limit 50; done
    wait_for 60 "nft: queues of the device are full: LTE is used" in_use wwan0
    stays 10 "nft: that is no drop by rules" not status_has '^ *dropped'
    for link in eth0 wlan0; do on device tc qdisc del dev "$link" root; done
    no_clients
    stop_connmgr || :
    unlock
}

with_iptables() {
    use_variant legacy
    BACKEND=iptables
    start_connmgr
    wait_for 30 "iptables: eth0 and wlan0 are confirmed" settled
    LAB_LTE=$(bytes wwan0) # what follows must not add to it
    client 198.18.100.10:8443
    all_is_dropped iptables
    no_clients
    stop_connmgr || :
}
with_nft
is_nft || with_iptables
