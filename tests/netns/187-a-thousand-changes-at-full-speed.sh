#!/bin/sh
# Interfaces are added, removed and renamed, carriers, addresses and routes come and go, 1,000 times in random
# order as fast as the kernel takes it: afterwards states, routes and attributes are what the kernel says.
# SEED=N repeats a run.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
soak 4 60
seed=${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}

# changes SEED: prints commands for the device. Commands for the routers, whose ends of the links come and go
# with the device's, begin with "# ". Some fail at their turn and change nothing, so there are more than a
# thousand.
changes() {
    awk -v seed="$1" '
        function any(n) { return int(rand() * n) }
        function give(line) { if (there[n]) print line }
        BEGIN {
            srand(seed)
            split("eth0 wlan0 wwan0", links)
            split("r-eth r-wlan r-wwan", routers)
            there[1] = there[2] = there[3] = 1
            for (i = 0; i < 2000; i++) {
                n = 1 + any(3)
                link = links[n]
                metric = any(4) == 0 ? 0 : n == 1 ? 10 : n == 2 ? 20 : 50
                via = n == 3 ? "" : "via 198.18." n ".1 "
                via6 = n == 3 ? "" : "via 2001:db8:" n "::1 "
                address = n == 3 ? "198.18.3.2 peer 198.18.3.1" : "198.18." n ".2/24"
                what = any(14)
                if (what == 0 && n < 3) { give("link delete " link); there[n] = 0 }
                else if (!there[n]) {
                    print "link add " link " type veth peer name lan netns " routers[n]
                    print "link set " link " up"
                    print "# " routers[n] " link set lan up"
                    print "# " routers[n] " address add 198.18." n ".1/24 dev lan"
                    print "# " routers[n] " address add 2001:db8:" n "::1/64 dev lan"
                    there[n] = 1
                }
                else if (what == 1) give("link set " link " down")
                else if (what <= 3) give("link set " link " up")
                else if (what == 4 && n < 3) { give("link set " link " name " link "x"); give("link set " link "x name " link) }
                else if (what <= 6) give("address " (any(3) ? "replace " : "delete ") address " dev " link)
                else if (what <= 8) give("address " (any(3) ? "replace" : "delete") " 2001:db8:" n "::2/64 dev " link)
                else if (what <= 10) give("route " (any(3) ? "replace" : "delete") " 0.0.0.0/0 " via "dev " link " metric " metric)
                else if (what <= 12) give("route " (any(3) ? "replace" : "delete") " ::/0 " via6 "dev " link " metric " metric + 1)
                else if (n == 3) print "link set " link " carrier " (any(3) ? "on" : "off")
                else print "# " routers[n] " link set lan " (any(3) ? "up" : "down")
            }
        }'
}

# storm SEED: runs all of them, those of the routers in parallel with those of the device.
storm() {
    changes "$1" >"$LAB/changes"
    for router in r-eth r-wlan; do
        sed -n "s/^# $router //p" "$LAB/changes" | ip -n "$router" -force -batch - >"$LAB/storm.$router" 2>&1 &
        set -- "$@" $!
    done
    shift
    grep -v '^#' "$LAB/changes" | ip -n device -force -batch - >"$LAB/storm.device" 2>&1 || :
    for pid; do wait "$pid" || :; done
    changed=$(($(wc -l <"$LAB/changes") - $(cat "$LAB"/storm.* | grep -c '^Command failed')))
}

# truth LINK: prints its state according to the kernel: DOWN, NOWAYOUT or UP.
truth() {
    case $(ip -n device -o link show "$1" 2>/dev/null) in
        '' | *NO-CARRIER*) echo DOWN; return ;;
        *'<'*UP*'>'*) ;;
        *) echo DOWN; return ;;
    esac
    if leads_out 4 "$1" || leads_out 6 "$1"; then echo UP; else echo NOWAYOUT; fi
}
# leads_out FAMILY LINK: true if it has an address and a default route.
leads_out() {
    [ -n "$(ip -n device "-$1" -o address show dev "$2" scope global)" ] &&
        [ -n "$(ip -n device "-$1" route show default dev "$2")" ]
}
# claimed LINK: prints its state according to connmgr, all from one answer. (In a flood the log drops lines.)
claimed() { sed -nE "s/^$1 ITF([A-Z_]+)/\1/p" "$LAB/claims"; }
claims() {
    ask status --json >"$LAB/status" || [ $? = 1 ]
    python3 -c '
import json, sys
status = json.load(sys.stdin)
for link in status["links"]:
    print(link["name"], link["state"])
print("choice", status["choice"])' <"$LAB/status" >"$LAB/claims"
}
kind() { case $1 in UP_*) echo UP ;; DOWN_SX) echo NOWAYOUT ;; *) echo DOWN ;; esac; }
is() { [ "$(value "$1")" = "$2" ] || { echo "attribute $1: $(value "$1"), not $2"; return 1; }; }

# front FAMILY: prints device and metric of the preferred default route. The kernel passes over those of a link
# without carrier (ignore_routes_with_linkdown).
front() {
    ip -n device "-$1" route show default | awk '
        / linkdown/ { next }
        { m = 0; for (i = 1; i < NF; i++) { if ($i == "metric") m = $(i + 1); if ($i == "dev") d = $(i + 1) }
          if (dev == "" || m < least) { dev = d; least = m } }
        END { print dev, least }'
}

agrees() {
    claims
    up=
    for entry in eth0:65059:65060 wlan0:65024:65025 wwan0:65037:65038; do
        link=${entry%%:*} entry=${entry#*:}
        claim=$(claimed "$link")
        [ "$(truth "$link")" = "$(kind "$claim")" ] || { echo "$link is $(truth "$link"), not $claim"; return 1; }
        case $claim in UP_SS) value=02 ;; UP_*) value=01 ;; *) value=00 ;; esac
        case $claim in UP_*) up=1 ;; esac
        is "${entry%:*}" "$value" || return 1
        address=00000000
        [ -z "$(ip -n device -4 -o address show dev "$link" 2>/dev/null)" ] || address=c6120$(number_of "$link")02
        is "${entry#*:}" "$address" || return 1
    done
    type=ff
    if [ -n "$up" ]; then
        chosen=$(sed -n 's/^choice //p' "$LAB/claims")
        [ "$(truth "$chosen")" = UP ] || { echo "$chosen is chosen, and not up"; return 1; }
        ! leads_out 4 "$chosen" || [ "$(front 4)" = "$chosen 0" ] || { echo "in front: $(front 4), not $chosen"; return 1; }
        ! leads_out 6 "$chosen" || [ "$(front 6)" = "$chosen 1" ] || { echo "in front: $(front 6), not $chosen"; return 1; }
        ahead=$(front 4)
        [ "$ahead" != " " ] || ahead=$(front 6)
        case $ahead in eth*) type=00 ;; wlan*) type=01 ;; wwan*) type=02 ;; esac
    fi
    is 65008 "$type"
}

start_attrd
begin
for round in $(seq "$HOW_MUCH"); do
    storm "$((seed + round - 1))"
    wait_for 15 "seed $((seed + round - 1)): states, routes and attributes are what the kernel says" agrees
    check "$changed changes, at least 1000" test "$changed" -ge 1000
    check "connmgr runs" connmgr_runs
done

for link in eth0 wlan0; do
    ip -n device link delete "$link" 2>"$LAB/last" || :
    new_link "$link"
done
plug wwan0
configure wwan0
wait_for 15 "all is repaired: states, routes and attributes are what the kernel says" agrees
confirmed() { claims && [ "$(claimed eth0)" = UP_SS ] && [ "$(claimed wlan0)" = UP_SS ]; }
wait_for 35 "eth0 and wlan0 are confirmed" confirmed
wait_for 5 "the network works" on device ping -c 1 -W 1 198.18.100.8
