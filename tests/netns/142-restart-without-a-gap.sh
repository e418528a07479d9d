#!/bin/sh
# The daemon is stopped, or killed at any moment, and started again: open addresses stay open without a gap,
# closed ones stay closed, and the new daemon knows what it must close later. With both variants of iptables,
# with sets and without.
# takes 40 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
answer x.wild.example 198.18.101.1
printf 'echo.example\n*.wild.example\n' >"$LAB/etc/whitelist"
kept() { log_has '[1-9][0-9]* names* of open addresses kept from the last run'; }

killed() {
    by "$1" "$2"
    rm -f "$LAB/over"
    start_by
    resolves x.wild.example >"$LAB/last"
    wait_for 10 "${WITH}an address is learned" reaches 198.18.101.1
    wait_for 10 "${WITH}and written down" grep -q '^198.18.101.1 .* x.wild.example$' "$LAB/run/holes"

    # All the time, one new connection after another to an open address and to an unlisted one.
    while [ ! -e "$LAB/over" ]; do
        reaches 198.18.101.1 0.9 || echo "cut off at $(now)"
    done >"$LAB/friend" 2>&1 &
    friend=$!
    while [ ! -e "$LAB/over" ]; do
        not reaches 198.18.100.8 0.2 || echo "open at $(now)"
    done >"$LAB/stranger" 2>/dev/null &
    stranger=$!

    before=$(left 198.18.101.1)
    restart_connmgr --resolver 198.18.100.54
    wait_for 10 "${WITH}a restart knows it" kept
    for n in 1 2 3; do
        kill -KILL "$CONNMGR_PID"
        wait "$CONNMGR_PID" 2>"$LAB/last" || :
        start_connmgr --resolver 198.18.100.54
        wait_for 10 "${WITH}killed and started again, time $n: it knows it" kept
    done
    wait_for 10 "${WITH}locked again" log_has "locked in .*$BY"
    [ "$2" = rules ] || check "${WITH}with the time that was left" left_between 198.18.101.1 3800 "$before"
    ask reload >"$LAB/last"
    : >"$LAB/over"
    wait "$friend" "$stranger" || :
    check "${WITH}nobody was cut off" test ! -s "$LAB/friend"
    check "${WITH}a stranger never got through" test ! -s "$LAB/stranger"
    stop_connmgr
}

is_nft || killed nft rules
killed legacy sets


sed -i '2i 198.18.101.9 0 3900 3900 y.wild.example;reboot\n198.18.101.10 0 3900 3900 stranger.example\n\\xff\\x00 garbage' "$LAB/run/holes"
head -c 2000000 /dev/urandom >>"$LAB/run/holes"
start_connmgr --resolver 198.18.100.54
wait_for 3 "a mutilated file: it runs, and keeps what is sound" kept
check "and opens nothing else" not left_between 198.18.101.10 1 604800
stop_connmgr
sed -i '1s/ [-0-9a-f]* / 00000000-0000-0000-0000-000000000000 /' "$LAB/run/holes"
start_connmgr --resolver 198.18.100.54
check "of another boot nothing is kept" not log_has 'kept from the last run'
