#!/bin/sh
# connmgr route when a step fails, or when it is killed: it loses no route, reports what did not work, and the
# next run completes the switch.
# takes 60 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"
command -v strace >/dev/null || { skip "no strace here"; exit 0; }

# The kernel is asked four times: devices, addresses, routes of both families. After that each step is one
# message.
FIRST_STEP=5

# injected INJECTION LINK: a run in which strace makes the sending of messages fail.
injected() {
    events >/dev/null
    STATUS=0
    nsenter --net=/run/netns/box env CONNMGR_CONFIG_DIR="$ETC" strace -qq -o /dev/null -e trace=sendto -e "inject=sendto:$1" \
        "$(connmgr_path)" route --config-dir "$ETC" --run-dir "$RUN" -- "$2" >"$LAB/said" 2>&1 || STATUS=$?
}

as_wanted() {
    run_switch wlan0
    check "$1: the next run works" status_is 0
    same "$1: then it is as it should be" tables <<'END2'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END2
}

# nothing_lost: true if each link has a default in each family.
nothing_lost() {
    tables
    for family in 4 6; do
        for link in eth0 wlan0 wwan0; do ip -n box "-$family" route show default | grep -q "dev $link" || return 1; done
    done
}

VARIANT=strace SHELL_CMD=dash
mkdir -p "$LAB/path"
# Kill it before each of the six messages and after the last, as its caller does after the deadline, or the
# kernel when memory is short.
killed() {
    for step in 0 1 2 3 4 5 6; do
        new_box
        given_all
        run_switch eth0
        injected "signal=KILL:when=$((FIRST_STEP + step))" wlan0
        check "killed before message $step: no link has lost its default" nothing_lost
        as_wanted "killed before message $step"
    done
}

# Kill it between two steps; then switch to the other link.
killed_and_turned_round() {
    for step in 1 2; do
        new_box
        given_all
        run_switch eth0
        injected "signal=KILL:when=$((FIRST_STEP + step))" wlan0
        switched eth0 "killed before message $step, then back"
        same "killed before message $step, then back: as it was" tables <<'END2'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END2
    done
}

# A message that fails once is sent again. If all fail, nothing changes, and stderr says so.
refused_by_the_kernel() {
    for step in 0 1 2 3 4 5; do
        new_box
        given_all
        run_switch eth0
        injected "error=ENOBUFS:when=$((FIRST_STEP + step))" wlan0
        check "message $step fails once: it works all the same" status_is 0
        as_wanted "message $step fails once"
    done
    new_box
    given_all
    run_switch eth0
    tables >"$LAB/before"
    injected "error=ENOBUFS" wlan0
    check "nothing can be asked: it fails" status_is 1
    check "nothing can be asked: it says so" grep -q "^connmgr route: cannot list the routes" "$LAB/said"
    same "nothing can be asked: nothing has changed" tables <"$LAB/before"
}

# The caller has died: its output has no reader, and its session hangs up.
nobody_listens() {
    new_box
    given_all
    run_switch eth0
    # shellcheck disable=SC2086
    on box "$(command -v env)" -i PATH="$LAB/path:$PATH" CONNMGR_CONFIG_DIR="$ETC" CONNMGR_RUN_DIR="$RUN" \
        CONNMGR_EXECUTABLE="$(connmgr_path)" $SHELL_CMD "${SCRIPTS:-$REPO/scripts}/switch_route.sh" wlan0 2>&1 | :
    wait_for 10 "$VARIANT: nobody listens: it does its work all the same" in_front wlan0
    check "$VARIANT: nobody listens: no link has lost its default" nothing_lost
}
in_front() { [ "$(tables | head -n 1)" = "default via 198.18.2.1 dev $1" ]; }

# The gateways of the old link can no longer be reached, because its addresses are others; the kernel keeps the routes,
# but takes no plain copy of them. A VPN's route is in front as well.
gateways_out_of_reach() {
    new_box
    given <<'END2'
-4 route add default via 198.18.1.1 dev eth0
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-6 route add default via 2001:db8:1::1 dev eth0 metric 1
-6 route append default dev wwan0 metric 1 proto 77
-6 route add default via 2001:db8:2::1 dev wlan0 metric 20
-4 address add 198.18.9.2/24 dev eth0
-4 address delete 198.18.1.2/24 dev eth0
-6 address delete 2001:db8:1::2/64 dev eth0
END2
    same "out of reach: the kernel keeps the routes" tables <<'END2'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default via 2001:db8:1::1 dev eth0 metric 1
default dev wwan0 proto 77 metric 1
default via 2001:db8:2::1 dev wlan0 metric 20
END2
    run_switch wlan0
    check "out of reach: the switch works" status_is 0
    same "out of reach: no route is lost" tables <<'END2'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10 onlink
default via 2001:db8:2::1 dev wlan0 metric 1
default via 2001:db8:1::1 dev eth0 metric 10 onlink
default dev wwan0 proto 77 metric 50
END2
    ip -n box address add 198.18.1.2/24 dev eth0
    ip -n box address add 2001:db8:1::2/64 dev eth0
    run_switch eth0
    check "in reach again: the switch works" status_is 0
    same "in reach again: the same routes" tables <<'END2'
default via 198.18.1.1 dev eth0 onlink
default via 198.18.2.1 dev wlan0 metric 20
default via 2001:db8:1::1 dev eth0 metric 1 onlink
default via 2001:db8:2::1 dev wlan0 metric 20
default dev wwan0 proto 77 metric 50
END2
}

# The gateways of both links are out of reach, and the switch is repeated, also after a kill between its steps: no copy comes
# twice.
both_out_of_reach() {
    new_box
    given <<'END2'
-6 route add default via 2001:db8:1::1 dev eth0 metric 1
-6 route add default via 2001:db8:2::1 dev wlan0 metric 20
-6 address add 2001:db8:8::2/64 dev eth0
-6 address add 2001:db8:9::2/64 dev wlan0
-6 address delete 2001:db8:1::2/64 dev eth0
-6 address delete 2001:db8:2::2/64 dev wlan0
END2
    injected "signal=KILL:when=$((FIRST_STEP + 2))" wlan0
    for _ in 1 2 3; do run_switch wlan0; done
    check "both out of reach: the switch works" status_is 0
    same "both out of reach: each link has its default, once" tables <<'END2'
default via 2001:db8:2::1 dev wlan0 metric 1 onlink
default via 2001:db8:1::1 dev eth0 metric 10 onlink
END2
}

gateways_out_of_reach
both_out_of_reach
killed
killed_and_turned_round
refused_by_the_kernel
variants nobody_listens
