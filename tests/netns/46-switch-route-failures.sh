#!/bin/sh
# switch_route.sh when something fails in the middle of it: it says so, loses no route, and its next run completes it.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

# at PATTERN COMMANDS: what ip does first when it is called like that.
at() { printf 'case $* in %s) %s ;; esac\n' "$1" "$2" >"$LAB/hook"; }

as_wanted() {
    rm -f "$LAB/hook"
    run_switch wlan0
    check "$VARIANT: $1: the next run works" status_is 0
    same "$1: then it is as it should be" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
    check "$VARIANT: $1: nothing is left to be done" nothing_left
}
nothing_left() { [ ! -s "$RUN/unfinished.4" ] && [ ! -s "$RUN/unfinished.6" ]; }

ip_fails() {
    for step in '"-4 route show"*' '"-4 route replace"*'; do
        new_box
        given_all
        run_switch eth0
        tables >"$LAB/before"
        at "$step" 'echo "no such luck" >&2; exit 2'
        refused 1 wlan0
        check "$VARIANT: $step: it says so" grep -q "^switch_route.sh: IPv4: cannot" "$LAB/said"
        same "$step: nothing has changed" tables <"$LAB/before"
        check "$VARIANT: $step: nothing is left to be done" nothing_left
        as_wanted "$step"
    done
    for step in '"-4 route add"*' '"-4 route del"*' '"-6 route show"*' '"-6 route replace"*' '"-6 route add"*' \
        '"-6 route del"*'; do
        new_box
        given_all
        run_switch eth0
        at "$step" 'echo "no such luck" >&2; exit 2'
        refused 1 wlan0
        check "$VARIANT: $step: it says so" grep -q "^switch_route.sh: IPv[46]: cannot" "$LAB/said"
        check "$VARIANT: $step: IPv4 has moved" in_front wlan0
        as_wanted "$step"
    done
}

# What cannot be put back stays in front.
putting_aside_fails() {
    new_box
    given_all
    run_switch eth0
    ip -n box -6 route del default dev wlan0
    tables | grep : >"$LAB/before"
    at '"-6 route add"*' 'echo "no such luck" >&2; exit 2'
    refused 1 wlan0
    same "what cannot be put back stays in front" ipv6 <"$LAB/before"
}
ipv6() { tables | grep :; }
in_front() { [ "$(tables | head -n 1)" = "default via 198.18.2.1 dev $1" ]; }

# As its caller does after the deadline: in the last moment before a step, and in the first after it.
killed() {
    # shellcheck disable=SC2016
    for step in '"-4 route replace"*' '"-4 route del"*' '"-4 route add"*' '"-6 route replace"*' '"-6 route del"*' \
        '"-6 route add"*'; do
        new_box
        given_all
        run_switch eth0
        at "$step" 'kill -KILL $PPID; exit'
        run_switch wlan0
        check "$VARIANT: $step: killed before it" status_is 137
        as_wanted "$step: killed before it"

        new_box
        given_all
        run_switch eth0
        at "$step" "$real"' "$@"; kill -KILL $PPID; exit'
        run_switch wlan0
        check "$VARIANT: $step: killed after it" status_is 137
        as_wanted "$step: killed after it"
    done
}

# Killed between two steps; and before the next run eth0 has got a route from somebody else.
killed_and_healed() {
    new_box
    given_all
    run_switch eth0
    # shellcheck disable=SC2016
    at '"-4 route replace"*' "$real"' "$@"; kill -KILL $PPID; exit'
    run_switch wlan0
    rm "$LAB/hook"
    ip -n box route add default via 198.18.1.9 dev eth0 metric 11
    run_switch wlan0
    check "$VARIANT: a link that has got a route since" status_is 0
    same "a link that has got a route since does not get the old one, too" tables4 <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.9 dev eth0 metric 11
default dev wwan0 scope link metric 50
END
}

# Killed between two steps; and then it is the link without a route that is wanted.
killed_and_turned_round() {
    new_box
    given_all
    run_switch eth0
    # shellcheck disable=SC2016
    at '"-4 route replace"*' "$real"' "$@"; kill -KILL $PPID; exit'
    run_switch wlan0
    rm "$LAB/hook"
    switched eth0 "killed, then back to the link that has lost its route"
    same "killed, then back: as it was" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
}
tables4() { tables | grep -v : | grep -v 'wwan0 metric'; }

# Whoever started it has died: nobody reads what it says, and its session hangs up.
nobody_listens() {
    new_box
    given_all
    run_switch eth0
    at '"-4 route replace"*' 'sleep 0.3' # until the reader has gone
    # shellcheck disable=SC2086
    on box "$(command -v env)" -i PATH="$LAB/path:$PATH" CONNMGR_CONFIG_DIR="$ETC" CONNMGR_RUN_DIR="$RUN" \
        $SHELL_CMD "${SCRIPTS:-$REPO/scripts}/switch_route.sh" wlan0 2>&1 | :
    wait_for 10 "$VARIANT: nobody listens: it does its work all the same" all_done
    new_box
    given_all
    run_switch eth0
    # shellcheck disable=SC2016
    at '"-4 route del"*' 'kill -HUP $PPID; kill -TERM $PPID; kill -INT $PPID'
    switched wlan0 "with a hangup, a termination and an interrupt in the middle"
    check "$VARIANT: it was finished first" all_done
}
all_done() {
    tables >"$LAB/got"
    diff -U 20 - "$LAB/got" <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
}

variants ip_fails putting_aside_fails killed killed_and_healed killed_and_turned_round nobody_listens
