#!/bin/sh
# A whitelisted name is an alias of an unlisted name, and its server does not resolve the target. A recursive
# resolver asks for the target in a second question, and the address is opened. With real resolvers on the
# device, one and two steps, and an extender that resolves by itself. Other names of the same zone stay
# closed.
# takes 45 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/resolvers.sh"

[ ! -d "$REPO/artifacts/lab/name-servers" ] || need_packages name-servers
lab_up
names_up
host_behind

unbound_at() {
    cat >"$LAB/unbound.conf" <<END
server:
    interface: $1
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    qname-minimisation: yes
stub-zone:
    name: "fresh.example"
    stub-addr: 198.18.100.55
stub-zone:
    name: "cdn.example"
    stub-addr: 198.18.100.55
END
    on device unbound -c "$LAB/unbound.conf" >"$LAB/unbound.log" 2>&1 &
}
named_at() {
    on device ip address add "$1/32" dev lo # unbound listens only on addresses of interfaces
    mkdir -p "$LAB/named"
    cat >"$LAB/named.conf" <<END
options {
    directory "$LAB/named"; pid-file none; session-keyfile "$LAB/named/session.key"; managed-keys-directory "$LAB/named";
    listen-on { $1; }; listen-on-v6 { none; }; recursion yes; allow-query { any; }; dnssec-validation no;
    minimal-responses yes;
};
controls { };
zone "fresh.example" { type static-stub; server-addresses { 198.18.100.55; }; };
zone "cdn.example" { type static-stub; server-addresses { 198.18.100.55; }; };
END
    on device named -f -g -c "$LAB/named.conf" >"$LAB/named.log" 2>&1 &
}

recursor_at() {
    mkdir -p "$LAB/recursor"
    old_settings=
    ! pdns_recursor --help | grep -q -e --enable-old-settings || old_settings=--enable-old-settings
    # shellcheck disable=SC2086 # nothing, or one word
    on device pdns_recursor $old_settings --config-dir="$LAB/recursor" --daemon=no --local-address="$1" --dnssec=off --socket-dir="$LAB/recursor" \
        --forward-zones="fresh.example=198.18.100.55,cdn.example=198.18.100.55" --security-poll-suffix= \
        --disable-packetcache >"$LAB/recursor.log" 2>&1 &
}

kresd_at() {
    mkdir -p "$LAB/kresd"
    cat >"$LAB/kresd.conf" <<END
net.listen('$1', 53, { kind = 'dns' })
net.ipv6 = false
trust_anchors.remove('.')
cache.open(10*MB, 'lmdb://$LAB/kresd')
modules = { 'hints > iterate' }
hints.root({ ['ns.'] = '198.18.100.55' })
END
    on device kresd -n -c "$LAB/kresd.conf" "$LAB/kresd" >"$LAB/kresd.log" 2>&1 &
}

# asks NAME: prints its first IPv4 address, with or without aliases. False if there is none.
asks() {
    on "${HOST:-device}" busybox nslookup -type=a "$1" "$SERVER" >"$LAB/asked" 2>&1 || :
    sed -n '/^Server:/,/^$/d; s/^Address: *\([0-9.]*\)$/\1/p' "$LAB/asked" | sed -n 1p | grep .
}
answers() { asks "$1" >"$LAB/last"; }
opens() { address=$(asks "$1") && reaches "$address"; }
other_is_shut() { address=$(asks "$1") && echo "$address" && ! reaches "$address"; }
shows() { ask status >"$LAB/status" && grep -E "$1" "$LAB/status"; }

# resolves_in_pieces NAME PROGRAM ADDRESS FIRST
resolves_in_pieces() {
    program=$(command -v "$2") || { skip "$1 is not installed ($2)"; return; }
    missing=$(ldd "$program" | sed -n 's/^[[:space:]]*\(.*\) => not found/\1/p' | paste -s -d ' ' -)
    [ -z "$missing" ] || { skip "$1 lacks $missing"; return; }
    SERVER=$3
    "${1}_at" "$3"
    poll 20 answers "n$4.fresh.example"
    wait_for 5 "$1: a name without an alias" opens "n$(($4 + 1)).fresh.example"
    wait_for 5 "$1: an alias, its target asked for in another question" opens "c$(($4 + 2)).fresh.example"
    wait_for 5 "$1: two steps" opens "d$(($4 + 3)).fresh.example"
    check "$1: another name of the target's zone is shut" other_is_shut "n$(($4 + 4)).cdn.example"
    check "$1: so is an alias of a foreign name" other_is_shut "c$(($4 + 5)).cdn.example"
}

modes='hold sniff'
can_hold || { modes=sniff; skip "with nft: $no_queue"; }
for mode in $modes; do
    lockdown --dns "$mode"
    check "$mode: it does" log_has "DNS: $mode"
    if [ "$mode" = hold ]; then base=1000 at=127.0.1; else base=2000 at=127.0.2; fi
    resolves_in_pieces unbound unbound "$at.1" "$((base + 100))"
    check "$mode: status shows the chain" shows "c$((base + 102)).fresh.example -> n$((base + 102)).cdn.example"
    check "$mode: of two steps, too" shows "c$((base + 103)).cdn.example -> n$((base + 103)).cdn.example"
    resolves_in_pieces named named "$at.2" "$((base + 200))"
    resolves_in_pieces recursor pdns_recursor "$at.3" "$((base + 300))"
    resolves_in_pieces kresd kresd "$at.4" "$((base + 500))"
    # An extender that does not use the device's resolver asks for the alias, then for its target.
    HOST=host SERVER=198.18.100.55
    asks "c$((base + 400)).fresh.example" >"$LAB/last" || :
    wait_for 5 "$mode: an extender that asks in pieces" opens "n$((base + 400)).cdn.example"
    check "$mode: an extender, another name" other_is_shut "n$((base + 401)).cdn.example"
    HOST=device
    if [ "$mode" = hold ]; then
        # What a name's alias has opened is closed with the name.
        SERVER=198.18.100.55
        asks "c1500.fresh.example" >"$LAB/last" || :
        wait_for 5 "the device itself asks in pieces" opens n1500.cdn.example
        echo '*.other.example' >"$LAB/etc/whitelist"
        check "reload" ask reload
        check "without the name, what its alias opened is shut" other_is_shut n1500.cdn.example
        echo '*.fresh.example' >"$LAB/etc/whitelist"
        check "reload" ask reload
    fi
    stop_connmgr || :
done
