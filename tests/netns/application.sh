# shellcheck shell=sh
# An application on the device, and measurements of its gaps and of the routes. Source it after lib.sh.

# soak SHORT LONG: sets how much this run does: LONG in `make soak-tests`, else SHORT.
soak() { if [ -n "${SOAK:-}" ]; then HOW_MUCH=$2; else HOW_MUCH=$1; fi; }

# application tcp|dns [PORT]: from now on asks the echo service over one connection, or the name server, ten
# times a second.
application() {
    : >"$LAB/talk"
    : >"$LAB/events"
    case $1 in
        tcp) set -- tcp 198.18.100.11 "${2:-80}" ;;
        dns) set -- dns 198.18.100.53 53 ;;
    esac
    # Not "on": $! must be the process itself.
    nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
    WATCH_PID=$!
    nsenter --net=/run/netns/device "$LABTOOL" talk "$@" 100 >"$LAB/talk" &
    TALK_PID=$!
    wait_for 3 "$1: an application gets its answers" grep -q ' answer' "$LAB/talk"
}
application_ends() {
    kill "$TALK_PID" "$WATCH_PID"
    wait "$TALK_PID" "$WATCH_PID" 2>"$LAB/last" || :
}

# longest_gap: prints the longest time from one answer to the next, in milliseconds.
longest_gap() {
    awk '/ answer/ { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { print int(gap / 1000) }' "$LAB/talk"
}

# unanswered_for LINK: prints the milliseconds from the first unanswered question to the default route over
# LINK.
unanswered_for() {
    awk -v event="default4 $1 metric 0 new" '
        NR == FNR { if (!ended && index($0, event)) ended = $1; next }
        / answer/ && $1 < ended { last = $1 }
        END { if (!ended) exit 1; print int((ended - last) / 1000) - 100 }' "$LAB/events" "$LAB/talk"
}

# moves: prints how often the link in use has changed since the start.
moves() { grep -cE '^<[0-7]> ?in use: [a-z]+[0-9]' "$LAB/connmgr.log" || :; }

# at_random SECONDS: waits for a random time of at most that long, to meet the two-second tick in any phase.
at_random() { sleep "$(awk -v seed="$(od -An -N3 -tu4 /dev/urandom)" -v s="$1" 'BEGIN { srand(seed); print rand() * s }')"; }
