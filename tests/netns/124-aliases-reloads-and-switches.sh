#!/bin/sh
# Applications connect to new names, which are aliases of one and two steps that unbound on the device resolves in pieces, while
# connmgr reloads every second and the link in use changes every few seconds. No first connection is lost
# (make soak-tests: 10,000; FIRSTS=N).
# takes 30 s
. "$(dirname "$0")/lib.sh"
hold_only
. "$NETNS_DIR/application.sh"
. "$NETNS_DIR/names.sh"
soak "${FIRSTS:-300}" 10000

lab_up
names_up
use_variant nft
cat >"$LAB/unbound.conf" <<'END'
server:
    interface: 127.0.0.2
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
stub-zone:
    name: "fresh.example"
    stub-addr: 198.18.100.55
stub-zone:
    name: "cdn.example"
    stub-addr: 198.18.100.55
END
lockdown --dns hold
check "it holds replies" log_has 'DNS: hold'
on device unbound -c "$LAB/unbound.conf" >"$LAB/unbound.log" 2>&1 &
poll 20 on device "$LABTOOL" resolve 127.0.0.2 n65001.fresh.example

: >"$LAB/going"
# disturb: each reload has another whitelist.
disturb() {
    n=0
    while [ -e "$LAB/going" ]; do
        n=$((n + 1))
        printf '*.fresh.example\nn%s.other.example\n198.18.101.%s\n' "$n" "$((n % 250))" >"$LAB/etc/whitelist.new"
        mv "$LAB/etc/whitelist.new" "$LAB/etc/whitelist"
        ask reload
        case $((n % 6)) in 0) ask use wlan0 ;; 3) ask use eth0 ;; esac
        pause 1
    done
}
disturb >"$LAB/disturbed" 2>&1 &
disturber=$!
firsts() { NAMES=$1 none_lost device "$2" "$3" "$4" || { cat "$LAB/first"; false; }; }
check "aliases of one step: $((HOW_MUCH * 2 / 5)), none lost" firsts 'c#.fresh.example' $((HOW_MUCH * 2 / 5)) 1 127.0.0.2
check "of two steps: $((HOW_MUCH * 2 / 5)), none lost" firsts 'd#.fresh.example' $((HOW_MUCH * 2 / 5)) 20001 127.0.0.2
check "names without an alias: $((HOW_MUCH / 5)), none lost" firsts 'n#.fresh.example' $((HOW_MUCH / 5)) 40001 198.18.100.55
did() { [ "$(switches)" -ge 3 ] && log_has 'whitelist: '; }
wait_for 30 "meanwhile it reloaded, and switched at least twice" did
rm "$LAB/going"
wait "$disturber" || :
check "another name of the alias's zone stays shut" not reaches "$(on device "$LABTOOL" resolve 127.0.0.2 n60001.cdn.example)"
