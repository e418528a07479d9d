#!/bin/sh
# Another program's rules overwrite the marks of the device's packets, also those of connmgr's own. Links are confirmed all the
# same, although the whitelist is empty: what connmgr probes is open to the device, at the ports of the probes. It is not open to
# hosts behind the bridge. With sets, with single rules and with nft; both families; over TCP, a second port, and UDP.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

FIREWALL=
lab_up
host_behind
: >"$LAB/etc/whitelist"
nsenter --net=/run/netns/cloud "$LABTOOL" echo 8443 "$LAB/echo-mode" >"$LAB/echo8443.log" 2>&1 &
poll 10 grep -q listening "$LAB/echo8443.log"
system_path=$PATH

marks() {
    if is_nft; then
        on device nft -f - <<'END'
table inet marks {
    chain output { type route hook output priority mangle; meta mark set 1; }
}
END
        return
    fi
    for tables in iptables ip6tables; do
        on device "$tables" -w -t mangle -F OUTPUT
        on device "$tables" -w -t mangle -A OUTPUT "$@"
    done
}
connects() { on "$1" socat -u OPEN:/dev/null "TCP:$2,connect-timeout=${3:-1}"; }

# confirmed NAME PROBE...: starts connmgr with these probes.
confirmed() {
    confirmed_with=$1
    shift
    PROBES="$*"
    start_connmgr
    wait_for 20 "$confirmed_with: locked" log_has 'locked in '
    wait_for 30 "$confirmed_with: eth0 and wlan0 are confirmed" settled
}
reaches_service() { connects device 198.18.100.10:80 || connects device 198.18.100.11:80; }
only_probes_pass() {
    wait_for 5 "$1: the device reaches the service at its port" reaches_service
    check "$1: not at another port" not connects device 198.18.100.10:8443 0.5
    check "$1: nor another host" not connects device 198.18.100.8:80 0.5
    check "$1: a host behind the bridge does not reach it" not connects host 198.18.100.10:80 0.5
    check "$1: nor by IPv6" not connects host '[2001:db8:100::10]:80' 0.5
}

with_iptables() {
    use_variant legacy
    marks -j MARK --set-mark 1
    confirmed "sets, MARK" --echo echo.example:80
    only_probes_pass sets
    status_has_json() { ask status --json | grep -q -- "$1"; }
    status_says_overwritten() { status_has 'another program overwrites the mark' && status_has_json 'mark_overwritten": *true' && log_has 'overwrite the mark 0x80 of'; }
    wait_for 30 "sets, MARK: status and log say that the mark is overwritten" status_says_overwritten
    for tables in iptables ip6tables; do on device $tables -w -t mangle -F OUTPUT; done
    wait_for 60 "sets, MARK removed: the log says that it is no longer" log_has 'mark 0x80 .* no longer overwritten'
    check "nor does status" not status_has 'overwrites the mark'
    stop_connmgr || :
    marks -j CONNMARK --restore-mark
    confirmed "sets, CONNMARK, another port" --probe tcp://echo.example:8443 --probe echo://echo.example:80
    reaches_other_port() { connects device 198.18.100.10:8443 || connects device 198.18.100.11:8443; }
    wait_for 5 "sets: the other port is open" reaches_other_port
    wait_for 60 "sets, CONNMARK: status and log say that the mark is overwritten" status_says_overwritten
    stop_connmgr || :

    unlock
    PATH=$system_path
    use_variant nft
    no_sets
    marks -j MARK --set-mark 1
    confirmed "rules, MARK" --echo echo.example:80
    check "it uses rules" status_has 'addresses by rules|rules'
    wait_for 10 "rules: the device reaches the service at its port" reaches_service
    check "rules: not at another port" not connects device 198.18.100.10:8443 0.5
    check "rules: a host behind the bridge does not reach it" not connects host 198.18.100.10:80 0.5
    stop_connmgr || :
}
is_nft || with_iptables
unlock
PATH=$system_path
BACKEND=nft
! is_nft || marks
confirmed "nft, MARK" --echo echo.example:80
only_probes_pass nft
stop_connmgr || :

# Links with IPv6 only.
unlock
for link in eth0 wlan0; do ip -n device -4 address flush dev "$link"; done
RESOLVER='--resolver 2001:db8:100::53'
PROBES='--echo echo.example:80'
by_ipv6() { connects device '[2001:db8:100::10]:80' || connects device '[2001:db8:100::11]:80'; }
confirmed6() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
backends_here='nft iptables'
! is_nft || backends_here=nft
for BACKEND in $backends_here; do
    start_connmgr --ping 2001:db8:100::8
    wait_for 20 "$BACKEND, IPv6 only: locked" log_has 'locked in '
    wait_for 30 "$BACKEND, IPv6 only: links are confirmed" confirmed6
    wait_for 10 "$BACKEND, IPv6 only: the device reaches the service" by_ipv6
    check "$BACKEND, IPv6 only: not another host" not connects device '[2001:db8:100::8]:80' 0.5
    check "$BACKEND, IPv6 only: a host behind the bridge does not reach it" not connects host '[2001:db8:100::10]:80' 0.5
    stop_connmgr || :
    unlock
done
