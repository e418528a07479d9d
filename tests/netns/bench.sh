#!/bin/sh
# bench.sh [quick]: measures, in the lab, what connmgr must reach, and prints it beside the limit and beside peers of
# Debian (peers.sh; `make soak-verdict` has keepalived). Exit status 0 if every limit is kept. Takes about six minutes;
# quick: fewer and shorter runs, two minutes. Run nothing else on the machine meanwhile.
set -eu

NETNS_DIR=$(cd "$(dirname "$0")" && pwd)

# -- inside a sandbox: one measurement, its numbers one to a line ------------------------------------------------

# switch_time CAUSE: milliseconds from the kernel's event CAUSE to its metric-0 default over wlan0.
switch_time() {
    awk -v cause="$1" '
        !began && index($0, cause) { began = $1 }
        began && index($0, "default4 wlan0 metric 0 new") { ended = 1; printf "%.2f\n", ($1 - began) / 1000; exit }
        END { if (!ended) exit 1 }' "$LAB/events"
}

# begin_run: a new daemon each time, since failures count against a link; from now on the kernel's events are recorded.
begin_run() {
    # shellcheck disable=SC2086  # words
    start_connmgr ${OPTIONS:-}
    poll 5 settled
    poll 5 log_has 'switched to eth0'
    : >"$LAB/events"
    nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" & # not "on": $! must be the watcher
    watch=$!
    poll 2 grep -q watching "$LAB/events"
}
end_run() {
    stop_connmgr
    kill "$watch"
    wait "$watch" 2>"$LAB/last" || :
    plug eth0
    configure eth0
}

# measure_switch RUNS CAUSE CMD...
measure_switch() {
    runs=$1 cause=$2
    shift 2
    while [ "$runs" -gt 0 ]; do
        begin_run
        # Wait until the start has settled. Do not poll: polling takes the processor from what is measured.
        sleep 0.3
        "$@"
        sleep 0.2
        poll 5 in_use wlan0
        poll 2 switch_time "$cause"
        switch_time "$cause"
        end_run
        runs=$((runs - 1))
    done
}

# measure_stopped RUNS ADDRESS: milliseconds from the kernel's carrier event to the first connection that began after it and
# succeeded, while the daemon is stopped (SIGSTOP), so that only the kernel can act.
measure_stopped() {
    cat >"$LAB/connect.py" <<'END'
import os, socket, sys, time
address, stop = sys.argv[1:]
while not os.path.exists(stop):
    began = time.monotonic()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.settimeout(0.03) # what was sent over the dead link gets no answer
        try:
            s.connect((address, 80))
            print(int(began * 1e6), int(time.monotonic() * 1e6), flush=True)
        except OSError:
            pass
    time.sleep(0.001)
END
    runs=$1
    while [ "$runs" -gt 0 ]; do
        begin_run
        rm -f "$LAB/stop"
        kill -STOP "$CONNMGR_PID"
        nsenter --net=/run/netns/device python3 "$LAB/connect.py" "$2" "$LAB/stop" >"$LAB/connections" &
        python=$!
        poll 5 test -s "$LAB/connections"
        ip -n r-eth link set lan down
        poll 5 first_after_event
        first_after_event
        : >"$LAB/stop"
        kill -CONT "$CONNMGR_PID"
        wait "$python" || :
        end_run
        runs=$((runs - 1))
    done
}
first_after_event() {
    event=$(awk '/link eth0 up no-carrier/ { print $1; exit }' "$LAB/events")
    [ -n "$event" ] || return 1
    awk -v event="$event" '$1 >= event { printf "%.2f\n", ($2 - event) / 1000; done = 1; exit } END { exit !done }' "$LAB/connections"
}

measure_silent_death() {
    start_connmgr
    poll 5 settled
    sleep "$1" # so that deaths come at different times after the last probe
    upstream_dead eth0
    began=$(now)
    poll 40 in_use wlan0
    echo "$(now) $began" | awk '{ printf "%.1f\n", ($1 - $2) / 100 }'
}

# measure_death_under_traffic TYPE PORT DELAY: seconds from the first unanswered segment or question.
measure_death_under_traffic() {
    start_connmgr
    poll 5 settled
    on cloud socat UDP4-RECVFROM:53,bind=198.18.100.11,fork PIPE >/dev/null 2>&1 &
    on device "$LABTOOL" talk "$1" 198.18.100.11 "$2" 20 >/dev/null &
    sleep "$3" # so that deaths meet different phases of the tick
    upstream_dead eth0
    began=$(now)
    poll 40 in_use wlan0
    echo "$(now) $began" | awk '{ printf "%.2f\n", ($1 - $2) / 100 }'
}

# measure_start RUNS: milliseconds from the start of the process to the line in the log.
measure_start() {
    runs=$1
    while [ "$runs" -gt 0 ]; do
        began=$(date +%s%N)
        spawn_connmgr
        until log_has monitoring; do connmgr_runs || exit 1; done
        ended=$(date +%s%N)
        echo $(((ended - began) / 100000)) | awk '{ print $1 / 10 }'
        poll 5 in_use eth0
        stop_connmgr
        runs=$((runs - 1))
    done
}

# The daemon's voluntary context switches, of all threads.
woken() { awk '$1 == "voluntary_ctxt_switches:" { n += $2 } END { print n }' "/proc/$CONNMGR_PID"/task/*/status; }
# Nanoseconds on a processor, of all threads.
busy() { awk '{ n += $1 } END { printf "%.0f\n", n }' "/proc/$CONNMGR_PID"/task/*/schedstat; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$CONNMGR_PID/status"; }

# shellcheck disable=SC2317  # measure_cost calls it
flood() {
    on cloud "$LABTOOL" flood 198.18.1.2 9 100000 "$1" >"$LAB/flood"
    awk '{ exit !($1 > 95000) }' "$LAB/flood" # otherwise this machine is too slow or too busy for a result
}

# measure_cost WARM_UP SECONDS CMD...: wake-ups a second, per cent of a core, kB at the end and growth, threads, while CMD
# runs for that many seconds.
measure_cost() {
    warm_up=$1 seconds=$2
    shift 2
    poll 5 settled
    sleep "$warm_up"
    before=$(woken) busy=$(busy) resident=$(resident)
    "$@"
    echo "$(woken) $before $(busy) $busy $(resident) $resident $seconds" | awk '{
        printf "%.2f\n%.3f\n%d\n%d\n", ($1 - $2) / $7, ($3 - $4) / $7 / 1e7, $5, $5 - $6 }'
    find "/proc/$CONNMGR_PID/task" -mindepth 1 -maxdepth 1 | wc -l
}

# measure_routers COUNT: seconds of processor that as many IPv6 routers cost which advertise themselves at once.
measure_routers() {
    start_connmgr
    poll 5 settled
    before=$(busy)
    on r-eth python3 "$NETNS_DIR/advertise.py" lan "$1" 1000
    poll 60 has_routers "$1" || return
    sleep 1 # until the daemon has read what it will
    echo "$(busy) $before" | awk '{ printf "%.2f\n", ($1 - $2) / 1e9 }'
}
# shellcheck disable=SC2317  # poll calls it
has_routers() { [ "$(ip -n device -6 route show default dev eth0 proto ra | wc -l)" -ge "$1" ]; }

# measure_dns hold|sniff|script|open HOW COUNT, measure_dns peer nftset COUNT: makes COUNT first connections to new names. Prints the share
# that takes over 100 ms, in per cent; median and 99th percentile of resolve plus connect, and median of a
# question, in ms. HOW they are resolved: direct, dnsmasq, unbound, or behind the bridge.
measure_dns() {
    . "$NETNS_DIR/names.sh"
    names_up
    host=device server=198.18.100.55
    case $2 in
        dnsmasq) local_dns; server=127.0.0.1 ;;
        unbound) local_dns; server=127.0.0.2 ;;
        bridge) host_behind; host=host ;;
    esac
    case $1 in
        hold | sniff) lockdown --dns "$1" ;;
        script) no_sets; lockdown --dns sniff ;;
        open) start_connmgr; poll 5 settled ;;
        peer) . "$NETNS_DIR/peers.sh"; server=127.0.0.1; peer_lockdown ;;
    esac
    first "$host" "$3" 1 "$server" >"$LAB/last"
    sed -E 's/^([0-9]+) names, ([0-9]+) unresolved, [0-9]+ lost, ([0-9]+) over 100 ms, resolve median ([0-9.]+) ms, with connect median ([0-9.]+) p99 ([0-9.]+) .*/\1 \2 \3 \4 \5 \6/' \
        "$LAB/first" | awk '{ printf "%.2f\n%s\n%s\n%s\n", ($2 + $3) * 100 / $1, $5, $6, $4 }'
}

# measure_dns_rate PER_SECOND SECONDS: prints how many replies are lost, how many take over 100 ms, the median
# and the longest, in ms.
measure_dns_rate() {
    . "$NETNS_DIR/names.sh"
    names_up
    lockdown --dns hold
    on device "$LABTOOL" rate 198.18.100.55 n#.fresh.example n#.foreign.example "$1" "$2" |
        sed -E 's/^[0-9]+ asked, ([0-9]+) lost, ([0-9]+) over 100 ms, median ([0-9.]+) .* most ([0-9.]+) ms/\1\n\2\n\3\n\4/'
}

# measure_memory TENTHS: RSS, PSS, private and dirty, threads at rest; RSS and its maximum after that many
# tenths of a day.
measure_memory() {
    . "$NETNS_DIR/names.sh"
    . "$NETNS_DIR/attrd.sh"
    . "$NETNS_DIR/day.sh"
    day_up 20
    sleep 5 # a tick returns the memory of the start
    for key in Rss Pss Private_Dirty Threads; do memory "$key"; done
    for _ in $(seq "$1"); do tenth_of_a_day; done
    sleep 5 # as above
    for key in Rss VmHWM; do memory "$key"; done
}

if [ "${1:-}" = --measure ]; then
    . "$NETNS_DIR/lib.sh"
    lab_up
    what=$2
    shift 2
    case $what in
        carrier-loss) measure_switch "$1" "link eth0 up no-carrier" ip -n r-eth link set lan down ;;
        carrier-loss-by-script) OPTIONS='--switch script' measure_switch "$1" "link eth0 up no-carrier" ip -n r-eth link set lan down ;;
        stopped-ipv4) measure_stopped "$1" 198.18.100.10 ;;
        stopped-ipv6) measure_stopped "$1" 2001:db8:100::10 ;;
        admin-down) measure_switch "$1" "link eth0 down" ip -n device link set eth0 down ;;
        silent-death) measure_silent_death "$1" ;;
        death-under-traffic) measure_death_under_traffic "$@" ;;
        start-live) measure_start "$1" ;;
        start-dead)
            for link in eth0 wlan0 wwan0; do upstream_dead "$link"; done
            measure_start "$1" ;;
        flood)
            start_connmgr
            measure_cost 2 "$1" flood "$1" ;;
        idle)
            start_connmgr
            measure_cost "$2" "$1" sleep "$1" ;;
        routers.*) measure_routers "${what#*.}" ;;
        dns.*) measure_dns "$@" ;;
        dns-rate) measure_dns_rate "$@" ;;
        memory) measure_memory "$@" ;;
        peer-switch.* | peer-cost.*)
            . "$NETNS_DIR/peers.sh"
            case $what in
                peer-switch.*) measure_peer_switch "${what#*.}" "$1" ;;
                *) measure_peer_cost "${what#*.}" "$1" ;;
            esac ;;
        idle-without-probes)
            start_connmgr --idle 3600
            measure_cost "$2" "$1" sleep "$1" ;;
    esac
    exit
fi

# -- outside: the table --------------------------------------------------------------------------------------------

case ${1:-} in
    '') runs=20 starts=20 deaths="0 2 4 6 8 10 12 14" flood=10 idle=60 warm_up=90 names=10000 rate_seconds=10 tenths=10 ;;
    quick) runs=5 starts=5 deaths="0 7" flood=4 idle=20 warm_up=5 names=1000 rate_seconds=3 tenths=2 ;;
    *) echo "usage: bench.sh [quick]" >&2; exit 64 ;;
esac

work=$(mktemp -d /tmp/connmgr-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
missed=0

measure() { "$NETNS_DIR/sandbox.sh" sh "$NETNS_DIR/bench.sh" --measure "$@" 2>"$work/errors.$1"; }

spread() { # minimum, median, maximum of the numbers, one to a line
    sort -n | awk '{ v[NR] = $1 } END { if (!NR) exit 1
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; print v[1], m, v[NR] }'
}

# row WHAT LIMIT VALUE UNIT [DETAIL]: a limit may be missing.
row() {
    kept=
    [ -z "$2" ] || echo "$3 $2" | awk '{ exit !($1 <= $2) }' || { kept='  MISSED' missed=1; }
    printf '%-44s %8s %8s %-5s %s%s\n' "$1" "$2" "$3" "$4" "${5:-}" "$kept"
}
# no_row MEASUREMENT
no_row() {
    printf '%-44s could not be measured\n' "$1"
    sed 's/^/    /' "$work/$1" "$work/errors.$1"
    missed=1
}

# spread_row WHAT LIMIT median|maximum UNIT MEASURE...
spread_row() {
    what=$1 limit=$2 which=$3 unit=$4
    shift 4
    measurement=$1
    if measure "$@" >"$work/$1" && numbers=$(spread <"$work/$1"); then
        # shellcheck disable=SC2086  # three words
        set -- $numbers
        if [ "$which" = median ]; then value=$2; else value=$3; fi
        row "$what, $which" "$limit" "$value" "$unit" "$1 / $2 / $3"
    else
        no_row "$measurement"
    fi
}

echo "$(uname -m), $(nproc) processors ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | sed q)), kernel $(uname -r)"
read -r load _ </proc/loadavg
[ "${load%.*}" -lt 1 ] || echo "This machine is busy (load $load): the times will be longer than they need be."
printf '%-44s %8s %8s %-5s %s\n' "" limit measured "" "minimum / median / maximum"
spread_row "carrier loss -> route over the next" 1 median ms carrier-loss "$runs"
spread_row "admin down -> route over the next" 1 median ms admin-down "$runs"
spread_row "carrier loss, --switch script" '' median ms carrier-loss-by-script "$runs"
spread_row "daemon stopped, cable pulled: IPv4 connects" 50 maximum ms stopped-ipv4 "$runs"
spread_row "daemon stopped, cable pulled: IPv6 connects" 50 maximum ms stopped-ipv6 "$runs"
spread_row "start -> monitoring" 100 maximum ms start-live "$starts"
spread_row "start -> monitoring, dead upstream" 100 maximum ms start-dead "$starts"

# Peers of Debian, if they are installed.
for peer in dhcpcd NetworkManager; do
    if command -v "$peer" >/dev/null; then
        spread_row "carrier loss -> default gone, $peer" '' median ms "peer-switch.$peer" 5
        if measure "peer-cost.$peer" "$idle" >"$work/peer-cost.$peer" &&
            { read -r wakeups && read -r rss; } <"$work/peer-cost.$peer"; then
            row "idle: wake-ups a second, $peer" '' "$wakeups" "" "$rss kB"
        else
            no_row "peer-cost.$peer"
        fi
    else
        printf '%-44s is not installed\n' "$peer"
    fi
done

# These mostly wait, so run them in parallel.
for delay in $deaths; do
    measure silent-death "$delay" >"$work/silent-death.$delay" &
done
wait
cat "$work"/silent-death.* >"$work/silent-death"
if grep -qvE '^[0-9.]+$' "$work/silent-death"; then
    no_row silent-death
else
    # shellcheck disable=SC2046  # three words
    set -- $(spread <"$work/silent-death")
    row "silent death of an idle link -> switched" 18 "$3" s "$1 / $2 / $3"
fi

# As many as there are processors, so that they do not wait for each other.
for traffic in 'tcp 80' 'udp 53'; do
    for delays in '3.0 3.2' '3.4 3.6' '3.8 4.0' '4.2 4.4' '4.6 4.8'; do
        for delay in $delays; do
            # shellcheck disable=SC2086  # two words
            measure death-under-traffic $traffic "$delay" >"$work/traffic.${traffic%% *}.$delay" &
        done
        wait
    done
    name=$(case $traffic in tcp*) echo TCP ;; *) echo DNS ;; esac)
    cat "$work/traffic.${traffic%% *}".* >"$work/traffic"
    if grep -qvE '^[0-9.]+$' "$work/traffic"; then
        no_row traffic
    else
        # shellcheck disable=SC2046  # three words
        set -- $(spread <"$work/traffic")
        row "silent death under $name -> switched" 4 "$3" s "$1 / $2 / $3"
        row "silent death under $name, median" 2.5 "$2" s
    fi
done

# cost NAME: sets $wakeups (a second), $cpu (per cent of a core), $resident, $growth (kB) and $threads.
cost() {
    read -r wakeups && read -r cpu && read -r resident && read -r growth && read -r threads
} <"$work/$1"

measure flood "$flood" >"$work/flood" || :
measure idle "$idle" "$warm_up" >"$work/idle" &
measure idle-without-probes "$idle" "$warm_up" >"$work/idle-without-probes" &
wait

if cost flood; then
    # Three links, and a tick every two seconds.
    row "flood: wake-ups per tick and link" 4 "$(echo "$wakeups" | awk '{ printf "%.2f", $1 * 2 / 3 }')" ""
    row "flood: processor" 1 "$cpu" %
else
    no_row flood
fi
if cost idle; then
    row "idle: wake-ups a second, with the probes" 1.2 "$wakeups" ""
    # It takes about a minute until the collector has seen each allocation once.
    if [ "$warm_up" -lt 90 ]; then limit=''; else limit=0; fi
    row "idle: growth of memory" "$limit" "$growth" kB
    row "resident memory" 7168 "$resident" kB
    row "threads" "" "$threads" ""
else
    no_row idle
fi
if cost idle-without-probes; then
    row "idle: wake-ups a second, without probes" 0.55 "$wakeups" ""
else
    no_row idle-without-probes
fi
# 8 s when each advertisement led to a dump of all.
for count in 1000 10000; do
    case $count in 1000) limit=0.2 ;; *) limit=2 ;; esac
    spread_row "$count IPv6 routers advertise themselves" "$limit" maximum s "routers.$count"
done
# dns MODE HOW COUNT: sets $lost, $median, $p99 and $question.
dns() {
    measure "dns.$1.$2" "$@" >"$work/dns.$1.$2" &&
        { read -r lost && read -r median && read -r p99 && read -r question; } <"$work/dns.$1.$2"
}
for kind in 'hold direct' 'hold dnsmasq' 'hold unbound' 'hold bridge' 'sniff direct' 'script direct' 'open direct' 'peer nftset'; do
    case $kind in
        hold*) count=$names limit=0 ;;
        open* | peer*) count=$names limit='' ;;
        *) count=$((names / 100 + 20)) limit='' ;;
    esac
    # shellcheck disable=SC2086  # two words
    if dns $kind "$count"; then
        case $kind in peer*) what="dnsmasq --nftset" ;; *) what=$kind ;; esac
        row "fresh names, $what: lost" "$limit" "$lost" % "of $count; resolve + connect: median $median, p99 $p99 ms"
        case $kind in
            'hold direct') held=$question ;;
            'open direct')
                more=$(echo "${held:-} $question" | awk '{ printf "%.3f", $1 - $2 }')
                row "a question held, and without a firewall" 0.3 "$more" ms "more than $question" ;;
        esac
    else
        no_row "dns.${kind% *}.${kind#* }"
    fi
done
if measure dns-rate 5000 "$rate_seconds" >"$work/dns-rate" &&
    { read -r lost && read -r late && read -r median && read -r most; } <"$work/dns-rate"; then
    row "5,000 questions a second, held: lost" 0 "$lost" "" "median $median ms"
    row "5,000 questions a second: over 100 ms" 0 "$late" "" "longest $most ms"
else
    no_row dns-rate
fi

if measure memory "$tenths" >"$work/memory" &&
    { read -r rss && read -r pss && read -r dirty && read -r threads && read -r after && read -r most; } <"$work/memory"; then
    row "all features on: resident memory" 8000 "$rss" kB "PSS $pss, private and dirty $dirty, $threads threads"
    row "after $tenths tenths of a day's work" 8000 "$after" kB "most $most"
else
    no_row memory
fi

# size RID LIMIT COMPRESSED-LIMIT
size() {
    file=${NETNS_DIR%/tests/netns}/artifacts/$1/connmgr
    [ -e "$file" ] || { echo "$1: ./build.sh $1 makes it"; missed=1; return; }
    row "the executable, $1" "$2" "$(wc -c <"$file" | awk '{ print $1 / 1000 }')" kB
    row "the same by xz -9e" "$3" "$(xz -9e -c "$file" | wc -c | awk '{ print $1 / 1000 }')" kB
}
size linux-x64 4600 ''
size linux-arm64 4750 1600
exit "$missed"
