# shellcheck shell=sh
# What happens to the default route of eth0, and how long it takes until it is in front again. Sourced after lib.sh.

watch_routes() {
    nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
    WATCH_PID=$!
    poll 10 grep -q watching "$LAB/events" || not_ok "nobody watches the kernel"
    : >"$LAB/times"
}

# The kernel has said nothing for so long that the next repair is not put off.
at_rest() { tail -n 1 "$LAB/events" | awk -v now="$(now)" '{ exit !(now * 10000 - $1 > 1100000) }'; }
calm() { poll 10 at_rest || not_ok "the routes do not come to rest"; }

# disturbed 4|6 DESC CMD...: CMD, which returns when it is done or about to be, takes the route away or gets another in front;
# it is restored. How many milliseconds that took, from the kernel's first word to its last about metric 0 (IPv6: 1), is in
# $LAB/times.
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

# restored_in_time DESC: half of them within the 100 ms by make soak; within a second on a machine that does much else besides.
restored_in_time() {
    guard_limit=1000
    [ -z "${SOAK:-}" ] || guard_limit=100
    check "$1: restored after $(sort -n "$LAB/times" | tr '\n' ' ')ms, at most $guard_limit in the middle" \
        test "$(sort -n "$LAB/times" | awk '{ t[NR] = $1 } END { print NR ? t[int((NR + 1) / 2)] : 9999 }')" -le "$guard_limit"
}
