#!/bin/sh
# The daemon in its default mode, with each kind of whitelist entry: exact name, wildcard, alias, several
# addresses, so many addresses that the answer comes by TCP, literal address, prefix. The first connection to
# each succeeds, from the device and from a host behind its bridge. Nothing else is reached.
#
#   host 198.18.50.2 ──veth── br-apnet 198.18.50.1 device ── eth0 ── r-eth ── cloud 198.18.102.0/24 2001:db8:102::/64 the services
# takes 80 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

many=$(seq 30 79)
LAB_DNS="--host-record=exact.example,198.18.102.10,2001:db8:102::10 --host-record=a.b.wild.example,198.18.102.11
    --host-record=wild.example,198.18.102.12 --cname=alias.example,middle.other.test --cname=middle.other.test,end.other.test
    --host-record=end.other.test,198.18.102.13,2001:db8:102::13
    --host-record=several.example,198.18.102.14,2001:db8:102::14 --host-record=several.example,198.18.102.15,2001:db8:102::15
    --host-record=stranger.test,198.18.102.20,2001:db8:102::20
    --host-record=notexact.example,198.18.102.21 $(for n in $many; do printf -- '--host-record=big.example,198.18.102.%s ' "$n"; done)"
FIREWALL=
lab_up
host_behind
ip -n cloud route add local 198.18.102.0/24 dev lo
ip -n cloud route add local 198.18.103.0/24 dev lo
ip -n cloud route add local 2001:db8:102::/64 dev lo
ip -n cloud route add local 2001:db8:103::/64 dev lo
cat >"$LAB/etc/whitelist" <<'END'
exact.example
*.wild.example      # not wild.example itself
ALIAS.example.
several.example
big.example
198.18.102.99
198.18.103.128/25
2001:db8:103::/65
END

# first HOST NAME: makes the first connection to the first address of the name, for IPv4 and IPv6.
first() {
    for family in ahostsv4 ahostsv6; do
        # Skip IPv4-mapped addresses.
        address=$(on "$1" getent "$family" "$2" | grep -v '::ffff:' | sed -n '1s/ .*//p')
        case $2,$family in a.b.wild.example,*6 | big.example,*6) continue ;; esac
        echo "$family: ${address:-no address}"
        [ -n "$address" ] && connects "$1" "$address" || return
    done
}
# A lost first packet would take a second.
connects() {
    case $2 in *:*) target="TCP6:[$2]" ;; *) target=TCP4:$2 ;; esac
    on "$1" socat -u OPEN:/dev/null "$target:80,connect-timeout=0.9"
}
asked_by_tcp() {
    case $1 in host) asker=198.18.50.2 ;; device) asker=198.18.1.2 ;; esac
    on device conntrack -L -p tcp -s "$asker" --dport 53 2>/dev/null | grep .
}
system_path=$PATH
all_of() {
    for address in $(on "$1" getent ahosts "$2" | sed 's/ .*//' | sort -u); do connects "$1" "$address" || { echo "$address"; return 1; }; done
}

opens() {
    unlock
    rm -rf "$LAB/run"
    echo 'nameserver 198.18.100.53' >"$LAB/resolv.conf"
    PATH=$system_path
    [ "$VARIANT" = bare ] || PATH=$LAB/$VARIANT:$PATH
    start_connmgr
    case $VARIANT in bare) in_sets=nft ;; *) in_sets=sets ;; esac
    if can_hold; then
        wait_for 15 "${WITH}locked by sets, replies are held" log_has "locked in [0-9]+ ms; addresses by $in_sets; DNS: hold"
    else
        wait_for 15 "${WITH}locked by sets" log_has "locked in [0-9]+ ms; addresses by $in_sets; DNS: sniff"
    fi
    wait_for 5 "${WITH}eth0 and wlan0 are confirmed" settled
    for who in host device; do
        for name in a.b.wild.example exact.example alias.example several.example; do
            check_first "$WITH$who: $name at the first attempt" first "$who" "$name"
        done
        check_first "$WITH$who: big.example" first "$who" big.example
        check "$WITH$who: which came by TCP" asked_by_tcp "$who"
        check "$WITH$who: all addresses of several.example" all_of "$who" several.example
        check "$WITH$who: all addresses of big.example" all_of "$who" big.example
        for address in 198.18.102.99 198.18.103.200 2001:db8:103::7; do
            check "$WITH$who: $address" connects "$who" "$address"
        done
        on "$who" getent ahosts stranger.test >"$LAB/last"
        on "$who" getent ahosts notexact.example >"$LAB/last"
        on "$who" getent ahosts wild.example >"$LAB/last"
        for address in 198.18.102.20 2001:db8:102::20 198.18.102.21 198.18.102.12 198.18.103.1 2001:db8:103:0:8000::1 198.18.102.98; do
            check "$WITH$who: not $address" not connects "$who" "$address"
        done
    done
    check "${WITH}it stops" stop_connmgr
    check "${WITH}what was open stays open" connects host 198.18.102.10
    check "${WITH}what was shut stays shut" not connects host 198.18.102.20
}
if is_nft; then backends opens; else variants opens; fi
