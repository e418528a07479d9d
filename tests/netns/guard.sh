# shellcheck shell=sh
# Disturbs the default route of eth0, and measures the time until it is in front again. Source it after
# lib.sh.

watch_routes() {
    nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
    WATCH_PID=$!
    poll 10 grep -q watching "$LAB/events" || not_ok "nobody watches the kernel"
    : >"$LAB/times"
}

# True if the last kernel event is old enough that the next repair is not delayed.
at_rest() { tail -n 1 "$LAB/events" | awk -v now="$(now)" '{ exit !(now * 10000 - $1 > 1100000) }'; }
calm() { poll 10 at_rest || not_ok "the routes do not come to rest"; }

# disturbed 4|6 DESC CMD...: CMD removes the route or puts another in front, and returns when that is done or
# about to happen. The route must be restored. Writes to $LAB/times the milliseconds from the kernel's first
# event about metric 0 (IPv6: 1) to the last.
disturbed() {
    family=$1 what=$2 front=in_use
    [ "$family" = 4 ] || front=in_use6
    shift 2
    calm
    seen=$(wc -l <"$LAB/events")
    "$@"
    poll 10 "$front" eth0 || :
    calm
    check "$what: eth0 is in front" "$front" eth0
    sed "1,${seen}d" "$LAB/events" | awk -v word="default$family" -v top="$((family / 6))" '
        $2 == word { if (!first) first = $1; if ($5 == top) last = $1 }
        END { print int((last - first + 999) / 1000) }' >>"$LAB/times"
}

# restored_in_time DESC: in make soak-tests half of the repairs take at most 100 ms; on a busy machine a second.
restored_in_time() {
    guard_limit=1000
    [ -z "${SOAK:-}" ] || guard_limit=100
    check "$1: restored after $(sort -n "$LAB/times" | tr '\n' ' ')ms, at most $guard_limit in the middle" \
        test "$(sort -n "$LAB/times" | awk '{ t[NR] = $1 } END { print NR ? t[int((NR + 1) / 2)] : 9999 }')" -le "$guard_limit"
}
