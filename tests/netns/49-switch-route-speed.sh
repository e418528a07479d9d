#!/bin/sh
# How long switch_route.sh takes: the median of 20 runs, from just before the start, by the kernel's events.
# The test prints the time and does not judge it, because it depends on the machine's load.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/40-switch-route.sh"

# medians: prints the medians of four columns.
medians() {
    for column in 1 2 3 4; do
        sort -n -k "$column,$column" "$LAB/times" | awk -v c="$column" '{ t[NR] = $c } END { printf "%.1f ", t[int((NR + 1) / 2)] / 1000 }'
    done
}

measure() {
    new_box
    given_all
    rm -rf "$LAB/fast"
    mkdir "$LAB/fast"
    ln -s "$(command -v ip)" "$LAB/fast/ip"
    # shellcheck disable=SC2016,SC2086
    on box env PATH="$LAB/fast" CONNMGR_CONFIG_DIR="$ETC" CONNMGR_RUN_DIR="$RUN" \
        CONNMGR_EXECUTABLE="$(connmgr_path)" "$(command -v dash)" -c '
        script=$1
        shift
        for link in eth0 wlan0 eth0 wlan0 eth0 wlan0 eth0 wlan0 eth0 wlan0 eth0; do
            ip link set lo promisc on
            "$@" "$script" "$link"
            ip link set lo promisc off
            ip link set lo promisc on
            "$@" "$script" wwan0
            ip link set lo promisc off
        done' sh "${SCRIPTS:-$REPO/scripts}/switch_route.sh" "$(command -v ${SHELL_CMD%% *})" ${SHELL_CMD#dash} >"$LAB/said"
    events >"$LAB/got"
    # Each run lies between two events of lo. Columns: IPv4 in front, IPv6 in front, the last step, the end.
    awk '/ link lo / && began == "" && seen { began = $1; four = 0; next }
        / link lo / { if (four) print four - began, six - began, last - began, $1 - began; began = ""; seen = 1 }
        /default4 .* metric 0 new/ { four = $1 } /default6 .* metric 1 new/ { six = $1 } /default/ { last = $1 }' \
        "$LAB/watched" >"$LAB/times"
    runs=$(wc -l <"$LAB/times")
    # shellcheck disable=SC2046
    set -- $(medians)
    check "$VARIANT: IPv4 in front after $1 ms, IPv6 after $2 ms, all steps after $3 ms, over after $4 ms ($runs runs)" \
        [ "$runs" -ge 20 ]
}

variants measure
