#!/bin/sh
# switch_route.sh moves the default routes: which one goes in front, where the others go, which attributes are
# kept, in which steps.
# takes 55 s, busy
#
#            box                                          far
#   eth0   198.18.1.2/24  2001:db8:1::2/64 ──veth──  eth0-far   no addresses: no answer is needed
#   wlan0  198.18.2.2/24  2001:db8:2::2/64 ──veth──  wlan0-far
#   wwan0  198.18.3.2/32  2001:db8:3::2/64 ──veth──  wwan0-far  routes by the device alone
#
# `connmgr route` does the work; dash and BusyBox ash take turns, with SOAK=1 every check runs with both. The other
# tests of switch_route.sh source this file for the functions of its first part.
. "$(dirname "$0")/lib.sh"

RUN=$LAB/run-dir ETC=$LAB/etc
mkdir -p "$ETC"

# variants FUNCTION...: calls all functions, in turns with dash and BusyBox ash; with SOAK=1 with both.
variants() {
    command -v busybox >/dev/null || { skip "no busybox here"; return; }
    mkdir -p "$LAB/path" # without a program: the script needs none but connmgr
    for SHELL_CMD in dash 'busybox ash'; do
        VARIANT=$SHELL_CMD turn=0
        for scenario; do
            turn=$((turn + 1))
            case $VARIANT$((turn % 2))${SOAK:-} in dash0 | 'busybox ash1') continue ;; esac
            "$scenario"
        done
    done
}

# new_box: makes everything anew, without any default route.
new_box() {
    if [ -n "${WATCH_PID:-}" ]; then
        kill "$WATCH_PID"
        wait "$WATCH_PID" 2>/dev/null || :
    fi
    ip netns del box 2>/dev/null || :
    ip netns del far 2>/dev/null || :
    rm -rf "$RUN" "$LAB/watched" "$ETC/netif_names"
    mkdir "$RUN"
    ip netns add box
    ip netns add far
    # shellcheck disable=SC2016  # the inner shell's business
    for new_host in box far; do on "$new_host" sh -c 'for all in all default; do
        echo 0 >/proc/sys/net/ipv6/conf/$all/accept_dad
        echo 0 >/proc/sys/net/ipv6/conf/$all/router_solicitations
    done'; done
    new_links=${1:-eth0 wlan0 wwan0}
    ip -n box link set lo up
    new_n=0
    set -f
    for new_link in $new_links; do
        new_n=$((new_n + 1))
        ip -batch - <<END
link add name $new_link index 1$new_n netns box type veth peer name peer$new_n index 2$new_n netns far
END
        ip -n far link set "peer$new_n" up
        new_address="198.18.$new_n.2/24"
        [ "$new_n" != 3 ] || new_address=198.18.3.2/32
        ip -n box -batch - <<END
link set dev $new_link up
address add $new_address dev $new_link
address add 2001:db8:$new_n::2/64 dev $new_link
END
    done
    set +f
    # Not "on": $! must be the watcher, or an old one would go on writing to the same file.
    nsenter --net=/run/netns/box "$LABTOOL" watch >"$LAB/watched" 2>&1 &
    WATCH_PID=$!
    poll 10 grep -q watching "$LAB/watched"
    MARKS=0
    events >/dev/null
}

# given: makes the initial routes from commands for ip -batch, e.g. "-6 route add default ...".
given() {
    while read -r given_line; do
        # shellcheck disable=SC2086  # words
        ip -n box $given_line
    done
}

# The usual case: the routes that DHCP clients made.
given_all() {
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev wlan0 metric 20
-4 route add default dev wwan0 metric 50
-6 route add default via fe80::1 dev eth0 metric 10
-6 route add default via fe80::2 dev wlan0 metric 20
-6 route add default dev wwan0 metric 50
END
}

# run_switch ARGS...: runs the script as a daemon would. Sets STATUS to its exit status; $LAB/said has its
# output.
run_switch() {
    events >/dev/null
    STATUS=0
    # shellcheck disable=SC2086  # words
    on box "$(command -v env)" -i PATH="$LAB/path" CONNMGR_CONFIG_DIR="$ETC" CONNMGR_RUN_DIR="$RUN" \
        CONNMGR_EXECUTABLE="$(connmgr_path)" \
        "$(command -v ${SHELL_CMD%% *})" ${SHELL_CMD#dash} "${SCRIPTS:-$REPO/scripts}/switch_route.sh" "$@" \
        >"$LAB/said" 2>&1 || STATUS=$?
}

# events: prints the changes of default routes since the last call. A link event marks the place.
events() {
    MARKS=$((MARKS + 1))
    ip -n box link set lo alias "mark $MARKS"
    poll 10 marked
    awk -v from="$MARKS" '/ link lo / { n++; next } n == from - 1 && $2 ~ /^default/ { $1 = ""; print substr($0, 2) }' \
        "$LAB/watched"
}
marked() { [ "$(grep -c ' link lo ' "$LAB/watched")" -ge "$MARKS" ]; }

tables() {
    { ip -n box -4 route show default; ip -n box -6 route show default; } |
        sed 's/expires [0-9]*sec/expires Nsec/; s/ linkdown//; s/ pref medium//; s/ *$//'
}

# same DESC CMD...: the output of CMD must equal stdin; "-" means no output.
same() {
    same_desc="$VARIANT: $1"
    shift
    sed '/^-$/d' >"$LAB/expected"
    "$@" >"$LAB/got"
    check "$same_desc" diff -U 20 "$LAB/expected" "$LAB/got"
}

# switched LINK, refused STATUS LINK: runs the script and checks its exit status.
switched() {
    run_switch "$1"
    check "$VARIANT: ${2:-switch to $1}" status_is 0
}
refused() {
    refused_status=$1
    shift
    run_switch "$@"
    check "$VARIANT: refused: $(echo "$*" | tr '\n' ' ')" status_is "$refused_status"
}
status_is() {
    cat "$LAB/said"
    echo "status $STATUS"
    [ "$STATUS" = "$1" ]
}
said() { cat "$LAB/said"; }
nothing() { printf '%s\n' - | same "$@"; }

case ${0##*/} in 40-switch-route.sh) ;; *) return 0 ;; esac

# -- the test -----------------------------------------------------------------------------------------------------

from_one_to_the_other() {
    new_box
    given_all
    switched eth0
    same "eth0 is in front" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
    same "eth0: its steps" events <<'END'
default4 eth0 metric 0 new
default4 eth0 metric 10 gone
default6 eth0 metric 1 new
default6 eth0 metric 10 gone
END
    same "eth0: it says what it does" said <<'END'
IPv4: took over, metric 10 -> 0: default via 198.18.1.1 dev eth0
IPv4: removed from metric 10: default via 198.18.1.1 dev eth0
IPv6: took over, metric 10 -> 1: default via fe80::1 dev eth0
IPv6: removed from metric 10: default via fe80::1 dev eth0
END

    switched wlan0
    same "wlan0 is in front, eth0 at its own metric" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
    same "wlan0: its steps: eth0 is copied first, then replaced at once" events <<'END'
default4 eth0 metric 10 new
default4 wlan0 metric 0 new
default4 wlan0 metric 20 gone
default6 eth0 metric 10 new
default6 wlan0 metric 1 new
default6 wlan0 metric 20 gone
END

    tables >"$LAB/before"
    switched wlan0 "again"
    same "again: nothing changes" tables <"$LAB/before"
    nothing "again: no events" events

    switched wwan0
    switched eth0 "and back to eth0"
    same "after eth0, wlan0, wwan0, eth0 it is as after eth0" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
    ip -n box route del default dev eth0
    ip -n box -6 route del default dev eth0
    same "one default a link: deleted once, it is gone" tables <<'END'
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
}

other_metrics() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 metric 700
-4 route add default via 198.18.2.1 dev wlan0
-6 route add default via fe80::1 dev eth0 metric 1
-6 route add default via fe80::2 dev wlan0 metric 512
END
    switched eth0
    same "the metric that it had none of is Wi-Fi's" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 512
END
    switched wlan0
    same "the metric that it had; Ethernet's where it had none" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 700
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
END
    echo '12;touch 12 x' >"$RUN/metric.4.wlan0"
    echo 99999999999 >"$RUN/metric.6.wlan0"
    switched eth0 "with nonsense where the metrics are kept"
    echo 08 >"$RUN/metric.4.eth0"
    echo '30 30 expires; touch 1' >"$RUN/metric.6.eth0"
    switched wlan0 "with other nonsense there"
    switched eth0
    same "nonsense is no metric" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
END
}

no_memory() {
    new_box
    given_all
    rmdir "$RUN"
    switched eth0 "switch without a run directory"
    switched wlan0 "another"
    same "without a run directory: the usual metrics" tables <<'END'
default via 198.18.2.1 dev wlan0
default via 198.18.1.1 dev eth0 metric 10
default dev wwan0 scope link metric 50
default via fe80::2 dev wlan0 metric 1
default via fe80::1 dev eth0 metric 10
default dev wwan0 metric 50
END
    mkdir "$RUN"
    mount -t tmpfs -o size=4k tmpfs "$RUN"
    head -c 4096 /dev/zero >"$RUN/full"
    switched eth0 "switch with a full disk"
    same "with a full disk: the usual metrics" tables <<'END'
default via 198.18.1.1 dev eth0
default via 198.18.2.1 dev wlan0 metric 20
default dev wwan0 scope link metric 50
default via fe80::1 dev eth0 metric 1
default via fe80::2 dev wlan0 metric 20
default dev wwan0 metric 50
END
    umount "$RUN"
}

everything_of_a_route() {
    new_box
    given <<'END'
-4 route add default via 198.18.1.1 dev eth0 proto dhcp src 198.18.1.2 metric 10 mtu 1400
-4 route add default via 198.19.0.1 dev wlan0 onlink proto static metric 20 mtu lock 1300 window 4096 initcwnd 20 features ecn quickack 1 fastopen_no_cookie 1
-4 route add default dev wwan0 scope link src 198.18.3.2 metric 50 advmss 1200
-6 route add default via fe80::1 dev eth0 proto static metric 1024 hoplimit 70 pref high mtu 1400
-6 route add default via 2001:db8:2::1 dev wlan0 metric 20 src 2001:db8:2::2 pref low
-6 route add default dev wwan0 metric 50 proto 201 mtu 1410 window 2048 features ecn initrwnd 9
END
    for link in eth0 wlan0 wwan0 eth0; do switched "$link"; done
    same "all that can be kept is kept" tables <<'END'
default via 198.18.1.1 dev eth0 proto dhcp src 198.18.1.2 mtu 1400
default via 198.19.0.1 dev wlan0 proto static metric 20 onlink mtu lock 1300 window 4096 initcwnd 20 features ecn quickack 1 fastopen_no_cookie 1
default dev wwan0 scope link src 198.18.3.2 metric 50 advmss 1200
default via fe80::1 dev eth0 proto static metric 1 mtu 1400 hoplimit 70 pref high
default via 2001:db8:2::1 dev wlan0 src 2001:db8:2::2 metric 20 pref low
default dev wwan0 proto 201 metric 50 mtu 1410 window 2048 features ecn initrwnd 9
END
}

a_gateway_of_the_other_family() {
    new_box
    given <<'END'
-4 route add default via inet6 fe80::1 dev eth0 metric 10
-4 route add default via 198.18.2.1 dev wlan0 metric 20
END
    for link in eth0 wlan0; do switched "$link"; done
    same "IPv4 through an IPv6 gateway" tables <<'END'
default via 198.18.2.1 dev wlan0
default via inet6 fe80::1 dev eth0 metric 10
END
}

variants from_one_to_the_other other_metrics no_memory everything_of_a_route \
    a_gateway_of_the_other_family
