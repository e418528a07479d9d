#!/bin/sh
# A hundred clients with open connections, and unlisted hosts that try all the time, while the daemon reloads
# changing whitelists and is killed: the device is never open, no client is cut off. Then the firewall is
# flushed: the device is not open either, and all clients continue after the repair. With both variants of
# iptables, with sets and without.
# takes 55 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
answer one.example 198.18.101.1
answer x.wild.example 198.18.101.3
list() { printf 'echo.example\none.example\n*.wild.example\n%s\n' "$@" >"$LAB/etc/whitelist"; }
all_answered() { [ "$(tail -q -n 1 "$LAB"/talk.* | grep -c ' answer$')" = 99 ]; }
# answers: prints how many answers each client has. all_answer: true if each has more than that.
answers() { grep -hc ' answer$' "$LAB"/talk.*; }
all_answer() { answers | paste - "$LAB/answers" | awk '$1 <= $2 { exit 1 }'; }
hundred() {
    by "$1" "$2"
    list 198.18.101.4
    start_by
    wait_for 10 "${WITH}one.example is open" reaches 198.18.101.1
    resolves x.wild.example >"$LAB/last"
    wait_for 10 "${WITH}x.wild.example is open" reaches 198.18.101.3
    pids=
    n=0
    rm -f "$LAB"/talk.* "$LAB"/heard.*
    : >"$LAB/trying"
    while [ "$n" -lt 99 ]; do
        for address in 198.18.101.1 198.18.101.3 198.18.100.10; do
            n=$((n + 1))
            nsenter --net=/run/netns/device "$LABTOOL" talk tcp $address 80 200 >"$LAB/talk.$n" 2>&1 &
            pids="$pids $!"
        done
    done
    wait_for 20 "${WITH}99 clients are answered" all_answered
    # New connections, too; and an unlisted host, to the device and from it: no packet may pass.
    while [ -e "$LAB/trying" ]; do reaches 198.18.101.3 0.9 || echo "cut off at $(now)"; pause 0.1; done >"$LAB/hundredth" 2>&1 &
    hundredth=$!
    for host in cloud device; do
        nsenter --net=/run/netns/$host socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard.$host,creat,append" &
        pids="$pids $!"
    done
    poll 10 test -e "$LAB/heard.cloud" -a -e "$LAB/heard.device"
    nsenter --net=/run/netns/device "$LABTOOL" flood 198.18.100.8 7003 500 90 >"$LAB/flood.out" 2>&1 &
    pids="$pids $!"
    nsenter --net=/run/netns/cloud "$LABTOOL" flood 198.18.1.2 7003 500 90 >"$LAB/flood.in" 2>&1 &
    pids="$pids $!"

    for n in 1 2 3 4 5 6 7 8; do
        case $((n % 4)) in
            0) list 198.18.101.4 198.18.101.5 ;;
            1) list 198.18.101.0/25 ;;
            2) list 198.18.101.3 '#' ;;
            3) list 198.18.101.1 x.wild.example ;;
        esac
        ask reload >>"$LAB/reloads" 2>&1 || not_ok "reload $n failed: $(cat "$LAB/reloads")"
    done
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    start_connmgr --resolver 198.18.100.54
    for n in 1 2 3; do ask reload >>"$LAB/reloads" 2>&1 || not_ok "reload failed: $(cat "$LAB/reloads")"; done
    wait_for 10 "${WITH}all are answered still" all_answered
    check "${WITH}nobody was cut off" sh -c "! grep -E 'lost|failed' $LAB/talk.*"
    check "${WITH}no new connection failed" test ! -s "$LAB/hundredth"
    rm "$LAB/trying"
    wait "$hundredth" || :
    flush_rules
    wait_for 20 "${WITH}flushed: it is restored" restored
    answers >"$LAB/answers"
    # TCP doubles the time between its retransmissions during the outage.
    wait_for 120 "${WITH}and all are answered again" all_answer
    check "${WITH}flushed: nobody was cut off for good" sh -c "! grep -E 'lost|failed' $LAB/talk.*"
    check "${WITH}not one packet of a stranger came in" test ! -s "$LAB/heard.device"
    check "${WITH}not one packet to a stranger went out" test ! -s "$LAB/heard.cloud"
    # shellcheck disable=SC2086  # a list
    kill $pids
    stop_connmgr
}
is_nft || hundred nft rules
hundred legacy sets
