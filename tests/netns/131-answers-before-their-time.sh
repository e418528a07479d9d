#!/bin/sh
# Answers that opened nothing when they came are judged again: names that a reload whitelists afterwards, and answers of
# a server that the device begins to use afterwards. No program asks again: caches of dnsmasq and unbound, or the
# program itself, know the address. By UDP and TCP, IPv4 and IPv6, with aliases, for the device and for a host behind
# its bridge. Other names stay closed.
# takes 20 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
host_behind
local_dns
ip -n cloud address add 198.18.100.58/32 dev lo
nsenter --net=/run/netns/cloud "$LABTOOL" names 198.18.100.58 198.18.100.8 >"$LAB/names.other" 2>&1 &
poll 10 grep -q answering "$LAB/names.other"

# asks HOST SERVER NAME [4|6]: asks once, and notes host and address.
asks() {
    case ${4-4} in 4) asked_is='TCP4' ;; 6) asked_is='TCP6' ;; esac
    asked=$(on "$1" "$LABTOOL" resolve "$2" "$3" "${4-4}") || return
    case $asked in *:*) asked="[$asked]" ;; esac
    echo "$1 $asked_is:$asked:80" >>"$LAB/asked"
}
connects() { on "$1" socat -u OPEN:/dev/null "$2,connect-timeout=0.5"; }
all_are() {
    while read -r each_host each_address; do
        case $1 in
            open) connects "$each_host" "$each_address" || { echo "shut: $each_host $each_address"; return 1; } ;;
            shut) ! connects "$each_host" "$each_address" || { echo "open: $each_host $each_address"; return 1; } ;;
        esac
    done <"$LAB/asked"
}

# play MODE
base=0
play() {
    mode=$1 base=$((base + 1000))
    echo '*.other.example' >"$LAB/etc/whitelist"
    lockdown --dns "$mode" --dns-servers any
    : >"$LAB/asked"
    for server in 127.0.0.1 127.0.0.2 198.18.100.55; do
        base=$((base + 10))
        check "$mode: $server: a name is resolved" asks device "$server" "n$base.fresh.example"
        check "$mode: $server: IPv6" asks device "$server" "n$((base + 1)).fresh.example" 6
        check "$mode: $server: a name that needs TCP" asks device "$server" "t$((base + 2)).fresh.example"
    done
    check "$mode: unbound: an alias of two steps" asks device 127.0.0.2 "d$((base + 3)).fresh.example"
    check "$mode: a host behind the bridge" asks host 198.18.100.55 "n$((base + 4)).fresh.example"
    check "$mode: nothing of that is open" all_are shut
    echo '*.fresh.example' >"$LAB/etc/whitelist"
    check "$mode: a reload whitelists them" ask reload
    wait_for 5 "$mode: all are open, and nobody has asked again" all_are open
    : >"$LAB/asked"
    check "$mode: a foreign name" asks device 127.0.0.2 "n$((base + 5)).foreign.example"
    check "$mode: another name of the alias's zone" asks device 127.0.0.2 "n$((base + 6)).cdn.example"
    check "$mode: are shut" all_are shut
    : >"$LAB/asked"
    check "$mode: a host asks a server that the device does not use" asks host 198.18.100.58 "n$((base + 7)).fresh.example"
    check "$mode: another name" asks host 198.18.100.58 "n$((base + 8)).fresh.example" 6
    check "$mode: they are shut" all_are shut
    printf 'nameserver %s\n' 198.18.100.55 198.18.100.58 >"$LAB/resolv.conf"
    wait_for 10 "$mode: once the device uses it, they are open" all_are open
    echo nameserver 198.18.100.55 >"$LAB/resolv.conf"
    stop_connmgr
}
if can_hold; then play hold; else skip "with nft: $no_queue"; fi
play sniff
