#!/bin/sh
# --audit with replies held, with single rules instead of sets, and with nft: IPv6 clients, and UDP 443 as QUIC uses it, on the
# device and behind its bridge. When the audit is turned off, no more packet passes to or from a foreign address, and no
# connection that the whitelist covers, or that fwcfg.sh has admitted, is cut off.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.102.0/24 2001:db8:102::/64 the services
# takes 70 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

LAB_DNS="--host-record=six.example,2001:db8:102::10 --host-record=host6.example,2001:db8:102::11
    --host-record=known.example,198.18.102.16,2001:db8:102::16 --host-record=quic.example,198.18.102.17"
FIREWALL=
lab_up
host_behind
ip -n cloud route add local 198.18.102.0/24 dev lo
ip -n cloud route add local 2001:db8:102::/64 dev lo
mkdir "$LAB/www"
echo hello >"$LAB/www/hello"
on cloud python3 -m http.server --bind :: --directory "$LAB/www" 8080 >"$LAB/http.log" 2>&1 &
system_path=$PATH

# As QUIC: a first datagram of at least 1,200 bytes (RFC 9000 section 14.1) to UDP port 443, and an answer.
on cloud socat UDP4-RECVFROM:443,bind=198.18.102.17,fork PIPE >"$LAB/quic.log" 2>&1 &
head -c 1200 /dev/zero | tr '\0' q >"$LAB/initial"

by_curl() { on "$1" curl -sS --noproxy '*' --connect-timeout 2 "$2" "http://$3:8080/hello" | grep hello; }
by_quic() {
    address=$(on "$1" getent ahostsv4 quic.example | sed -n '1s/ .*//p')
    [ "$(on "$1" socat -t 1 - "UDP4:$address:443" <"$LAB/initial" | wc -c)" = 1200 ]
}
fwcfg() { on device env -i PATH="$PATH" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" "$REPO/scripts/fwcfg.sh" "$@"; }
# talks NAME ADDRESS: an application keeps talking with it; $LAB/talk.NAME has what it says.
talks() {
    nsenter --net=/run/netns/device "$LABTOOL" talk tcp "$2" 80 50 >"$LAB/talk.$1" 2>&1 &
    pids="$pids $!"
}
# Without the tool conntrack the daemon ends the old connections, and does not know what fwcfg.sh admitted.
if is_nft; then talking=whitelist; else talking='whitelist prefix six'; fi
listed() { ask audit | grep -E -- "$1"; }
hears() { grep -q flood "$LAB/heard.$1"; }
# hear: from now on the cloud and the device hear each other's packets.
hear() {
    for heard in cloud device; do
        : >"$LAB/heard.$heard"
        nsenter --net="/run/netns/$heard" socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard.$heard,creat,append" &
        pids="$pids $!"
    done
    nsenter --net=/run/netns/device "$LABTOOL" flood 198.18.100.8 7003 200 200 >"$LAB/flood.out" 2>&1 &
    pids="$pids $!"
    nsenter --net=/run/netns/cloud "$LABTOOL" flood 2001:db8:1::2 7003 200 200 >"$LAB/flood.in" 2>&1 &
    pids="$pids $!"
}
answers() { grep -c ' answer$' "$LAB/talk.$1" || :; }
all_answer() { for talk in $talking; do [ "$(answers "$talk")" -gt "$(cat "$LAB/answers.$talk")" ] || return; done; }
never_lost() { for talk in $talking; do ! grep -E 'lost|failed' "$LAB/talk.$talk" || return; done; }
note_answers() { for talk in $talking; do answers "$talk" >"$LAB/answers.$talk"; done; }

# audit NAME REGEX [ARGS...]
audit() {
    WITH="$1: " told=$2 pids=
    shift 2
    printf 'echo.example\nknown.example\n' >"$LAB/etc/whitelist"
    start_connmgr --audit "$@"
    wait_for 20 "${WITH}the audit is on" log_has "AUDIT: nothing is dropped, ready in .*$told"
    wait_for 10 "${WITH}eth0 is confirmed" state eth0 ITFUP_SS
    check "${WITH}curl by IPv6" by_curl device -6 six.example
    check "${WITH}curl by IPv6, behind the bridge" by_curl host -6 host6.example
    check "${WITH}curl by IPv6 to what is whitelisted" by_curl device -6 known.example
    check "${WITH}curl by IPv4 to what is whitelisted" by_curl host -4 known.example
    wait_for 5 "${WITH}it lists the IPv6 client" listed '^not [0-9]+x (uid 0|device) -> six.example tcp 8080$'
    check "${WITH}and the one behind the bridge" listed '^not [0-9]+x host 2001:db8:50::2 -> host6.example tcp 8080$'
    check "${WITH}and what the whitelist covers" listed '^whitelist [0-9]+x (uid 0|device) -> known.example tcp 8080$'
    check "${WITH}UDP 443" by_quic device
    check "${WITH}UDP 443 behind the bridge" by_quic host
    wait_for 5 "${WITH}it lists it" listed '^not [0-9]+x (uid 0|device) -> quic.example udp 443$'
    check "${WITH}and the one behind the bridge" listed '^not [0-9]+x host 198.18.50.2 -> quic.example udp 443$'
    ask audit --whitelist >"$LAB/proposed"

    # It is turned off while packets go to and from a foreign address, and connections are open: to a whitelisted name,
    # to an address within a prefix that fwcfg.sh has admitted, and to a single one of IPv6.
    check "${WITH}fwcfg.sh admits a prefix" fwcfg add 198.18.102.40/30
    check "${WITH}and an address" fwcfg add 2001:db8:102:0::40
    hear
    talks whitelist 198.18.102.16
    talks prefix 198.18.102.42
    talks six 2001:db8:102::40
    wait_for 5 "${WITH}a foreign address is reached" hears cloud
    wait_for 5 "${WITH}and reaches the device" hears device
    for talk in $talking; do echo 0 >"$LAB/answers.$talk"; done
    wait_for 5 "${WITH}what is admitted answers" all_answer
    stop_connmgr
    start_connmgr "$@"
    wait_for 20 "${WITH}turned off: locked" log_has 'locked in [0-9]+ ms'
    : >"$LAB/heard.cloud"
    : >"$LAB/heard.device"
    note_answers
    wait_for 20 "${WITH}what is admitted goes on" all_answer
    check "${WITH}and was never cut off" never_lost
    stays 1 "${WITH}no packet gets out" test ! -s "$LAB/heard.cloud"
    check "${WITH}none gets in" test ! -s "$LAB/heard.device"
    # shellcheck disable=SC2086  # a list
    kill $pids 2>/dev/null || :
    check "${WITH}IPv6 is shut" not by_curl device -6 six.example
    check "${WITH}behind the bridge, too" not by_curl host -6 host6.example
    check "${WITH}so is UDP 443" not by_quic device

    cat "$LAB/proposed" >>"$LAB/etc/whitelist"
    check "${WITH}the proposal is taken" ask reload
    wait_for 10 "${WITH}IPv6 is open" by_curl device -6 six.example
    wait_for 10 "${WITH}behind the bridge, too" by_curl host -6 host6.example
    wait_for 10 "${WITH}so is UDP 443" by_quic device
    stop_connmgr
    unlock
    rm -rf "$LAB/run"
}
with_iptables() {
    use_variant legacy
    BACKEND=iptables audit "sets, hold" 'addresses by sets; DNS: hold' --dns hold
    PATH=$system_path
    use_variant nft
    no_sets
    BACKEND=iptables audit "rules" 'addresses by rules' --dns auto
    PATH=$system_path
}
is_nft || with_iptables
BACKEND=nft audit nft 'addresses by nft'
