#!/bin/sh
# Names with shell syntax, quotes, spaces, NUL, of maximum length: nothing is executed, nothing is opened that
# no wildcard covers, upper case and a final dot make no difference. Also answers by TCP, of the maximum size,
# and in fragments.
# takes 25 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
opened() { open_addresses | wc -l && [ "$(open_addresses | wc -l)" = "$1" ]; }
# The first label begins with n and a number, then anything.
odd() { resolve "n$1$2.fresh.example" >"$LAB/last" || :; }
no_file() { [ ! -e /run/executed ]; }

mode() {
    use_variant "$2"
    lockdown --dns "$1"
    check "$1: it does" log_has "DNS: $1"
    base=$3
    before=$(open_addresses | wc -l)

    odd "$((base + 1))" ";touch /run/executed"
    odd "$((base + 2))" "\$(touch /run/executed)"
    odd "$((base + 3))" "\`touch /run/executed\`"
    odd "$((base + 4))" "'\" -j ACCEPT"
    odd "$((base + 5))" '\000'
    odd "$((base + 6))" '\010\013 add'
    odd "$((base + 7))" '\255\046'
    check "$1: names that are no host names open nothing" opened "$before"
    check "$1: and execute nothing" no_file

    label=$(printf '%050d' 0 | tr 0 a)
    odd "$((base + 8))" "$label.$label.$label.$label.$(printf '%026d' 0 | tr 0 b)"
    wait_for 3 "$1: a name of 255 bytes is one" opened "$((before + 1))"
    resolve "N$((base + 9)).FRESH.Example." >"$LAB/last"
    wait_for 3 "$1: upper case and a final dot make no difference" opened "$((before + 2))"
    resolve "n$((base + 10)).fresh.example.foreign.example" >"$LAB/last"
    resolve "fresh.example" >"$LAB/last"
    check "$1: a whitelisted name within another, or its parent, opens nothing" opened "$((before + 2))"

    wait_for 3 "$1: an answer that is truncated is had by TCP" reaches "$(resolve "t$((base + 11)).fresh.example")"
    wait_for 3 "$1: one of 65,535 bytes, too" reaches "$(resolve "g$((base + 12)).fresh.example")"
    wait_for 3 "$1: IPv6" reaches "[$(resolve "n$((base + 13)).fresh.example" 6)]"
    check "$1: foreign addresses are shut" not reaches "$(resolve "n$((base + 14)).foreign.example")"
    address=$(resolve "f$((base + 15)).fresh.example")
    if [ "$1" = hold ]; then
        check "$1: an answer in fragments is put together, and counts" reaches "$address"
        check "$1: every reply has been let go" queue_is_empty
    else
        check "$1: an answer in fragments is had, and opens nothing" not reaches "$address"
    fi
    stop_connmgr || :
}
mode sniff legacy 0
unlock
if can_hold; then mode hold nft 100; else skip "with nft: $no_queue"; fi
