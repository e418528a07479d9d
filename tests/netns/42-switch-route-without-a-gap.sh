#!/bin/sh
# While switch_route.sh switches back and forth, every lookup finds a default route, in both families.
# takes 55 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

# One process asks all the time. A shell that starts a process per question would miss most of the time.
ask_all_the_time() {
    # shellcheck disable=SC2016
    on box sh -c 'while [ ! -e "$1" ]; do
        yes "route get 198.19.0.1
route get 2001:db8:ffff::1" | head -n 2000 | ip -force -batch - || :
    done' sh "$LAB/enough" >"$LAB/answers" 2>"$LAB/no-answers" &
    ASKER=$!
    poll 10 [ -s "$LAB/answers" ]
}

asked_often() {
    asked_times=$(wc -l <"$LAB/answers")
    echo "$asked_times"
    [ "$asked_times" -gt 5000 ]
}

to_and_fro() {
    new_box
    given_all
    run_switch eth0
    rm -f "$LAB/enough" "$LAB/answers"
    ask_all_the_time
    for _ in 1 2 3 4 5; do
        for link in wlan0 wwan0 eth0 wwan0 wlan0 eth0; do
            run_switch "$link"
            [ "$STATUS" = 0 ] || break 2
        done
    done
    touch "$LAB/enough"
    wait "$ASKER"
    check "$VARIANT: 30 switches work" status_is 0
    check "$VARIANT: thousands of lookups" asked_often
    nothing "each of them found a route" cat "$LAB/no-answers"
    # shellcheck disable=SC2016
    check "$VARIANT: they saw it move" sh -c 'grep -q "dev eth0" "$1" && grep -q "dev wwan0" "$1"' sh "$LAB/answers"
}

variants to_and_fro
