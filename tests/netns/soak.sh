#!/bin/sh
# soak.sh [SECONDS [SEED]]: random events in the lab while a checker asks the kernel every second what must always hold. Prints a
# table with the longest violation of each invariant, and the seed; the same seed gives the same events. Exit status 0 if every
# limit was kept. Default: an hour, another seed each time. soak.sh plan SECONDS SEED prints the events.
# SOAK_SLOW=N multiplies the limits, for a machine that does other things as well.
set -eu

NETNS_DIR=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = plan ]; then
    exec /usr/bin/python3 "$NETNS_DIR/soak_plan.py" "$3" "$2"
fi
seconds=${1:-3600}
seed=${2:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}

if [ -z "${LAB_SANDBOX:-}" ]; then
    export LAB="${SOAK_LOGS:-$(mktemp -d /tmp/connmgr-soak.XXXXXX)}"
    mkdir -p "$LAB"
    echo "seed $seed, $seconds s; logs: $LAB"
    status=0
    "$NETNS_DIR/sandbox.sh" bash --posix "$NETNS_DIR/soak.sh" "$seconds" "$seed" || status=$?
    echo "the same events again: make soak SECONDS=$seconds SEED=$seed"
    exit "$status"
fi

. "$NETNS_DIR/lib.sh"
. "$NETNS_DIR/attrd.sh"
. "$NETNS_DIR/names.sh"

# -- the lab: DHCP, router advertisements, name servers, clients ------------------------------------------------------

# serves LINK: its router is a DHCP server and advertises itself from now on; a router that did ends first.
serves() {
    serves_n=$(number_of "$1")
    kill_file "$LAB/serves.$1"
    nsenter --net="/run/netns/$(router_of "$1")" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= \
        --pid-file= --port=0 --no-resolv --dhcp-leasefile="$LAB/leases.$1" --dhcp-authoritative --no-ping --interface=lan \
        --dhcp-range="198.18.$serves_n.2,198.18.$serves_n.2,255.255.255.0,2m" \
        --enable-ra --ra-param=lan,30,"${2:-1800}" --dhcp-range="2001:db8:$serves_n::,ra-only,64" >"$LAB/serves.$1.out" 2>&1 &
    echo $! >"$LAB/serves.$1"
}
kill_file() {
    [ ! -s "$1" ] || { kill -KILL "$(cat "$1")" 2>/dev/null; wait "$(cat "$1")" 2>/dev/null; rm -f "$1"; }
    return 0
}
resolver_runs() {
    kill_file "$LAB/resolver"
    nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv \
        --no-hosts --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 >"$LAB/resolver.out" 2>&1 &
    echo $! >"$LAB/resolver"
}
runs() {
    FIREWALL='' RESOLVER='--resolver 198.18.100.55'
    start_connmgr --dns hold
    echo "$CONNMGR_PID" >"$LAB/pid.new"
    mv "$LAB/pid.new" "$LAB/pid"
}
# in_file TEXT FILE: replaces it as a whole.
in_file() { printf '%s\n' "$1" >"$2.new" && cat "$2.new" >"$2"; }
heals() { [ -e "$LAB/broken/$1" ]; }

# -- the events: each gets a link ---------------------------------------------------------------------------------------

event_fault() {
    : >"$LAB/broken/$1"
    case $2 in
        silent | reset | unreachable | portal) : >"$LAB/faults/$1" ;;
    esac
    case $2 in
        cable) unplug "$1" ;;
        flap) for _ in 1 2 3; do unplug "$1"; plug "$1"; done ;;
        silent) upstream_down "$1" drop ;;
        reset | unreachable) upstream_down "$1" "$2" ;;
        portal) portal "$1" portal ;;
        gone) case $1 in wwan*) modem_off ;; *) ip -n device link delete "$1" ;; esac ;;
        lost) unconfigure "$1" ;;
        down) ip -n device link set "$1" down ;;
    esac
}
# Not upstream_dead: it would heal the other links' cloud.
upstream_down() {
    rule "$1" -F FORWARD
    forward_nothing "$1" "$2"
}
event_heal() {
    case $2 in
        cable | flap) plug "$1"; configure "$1" ;;
        silent | reset | unreachable) rule "$1" -F FORWARD ;;
        portal) portal "$1" off ;;
        gone) case $1 in wwan*) modem_on ;; *) new_link "$1"; serves "$1" ;; esac ;;
        lost | down) configure "$1" ;;
    esac
    rm -f "$LAB/faults/$1" "$LAB/broken/$1"
}
# If the link is broken already, a program's command fails, and that is ignored.
event_lease() {
    ! heals "$1" || return 0
    { METRIC=$(metric_of "$1") on device timeout 8 busybox udhcpc -n -q -t 3 -T 1 -i "$1" -s "$NETNS_DIR/udhcpc.sh" ||
        heals "$1" || configure "$1"; } >>"$LAB/udhcpc.out" 2>&1 &
}
event_ra() { serves "$1"; }
event_ra_ends() {
    serves "$1" 0
    poll 3 grep -q 'RTR-ADVERT' "$LAB/serves.$1.out" || :
    serves "$1"
}
event_front() { ip -n device route prepend default via "$(subnet_of "$1").1" dev "$1" || heals "$1"; }
event_blackhole() { ip -n device route prepend blackhole default; }
event_take() {
    ip -n device -4 route delete default dev "$1" || heals "$1"
    configure_whole "$1"
}
configure_whole() { heals "$1" || configure "$1" || heals "$1"; }
event_flush_routes() {
    ip -n device -4 route flush exact default
    ip -n device -6 route flush exact default
    for flushed in eth0 wlan0 wwan0; do configure_whole "$flushed"; done
}
event_flush_rules() { for family in iptables ip6tables; do on device $family -w -F; done; }
event_flush_sets() { on device ipset flush || :; }
event_open_rules() {
    : >"$LAB/opened"
    for chain in OUTPUT INPUT; do on device iptables -w -I $chain -j ACCEPT; done
}
event_reload() {
    list=$((${list:-0} + 1))
    printf '%s\n' '*.fresh.example' "*.more-$list.example" "203.0.113.$((list % 250))" >"$LAB/etc/whitelist.new"
    mv "$LAB/etc/whitelist.new" "$LAB/etc/whitelist"
    ask reload >>"$LAB/reloads" 2>&1 || echo "reload: status $?: $(tail -n 1 "$LAB/reloads")"
}
event_use() { ask use "$1" --for 10s >>"$LAB/asked" 2>&1 || :; }
event_resolver() { resolver_runs; }
event_resolv_conf() {
    if grep -q 127.0.0.1 "$LAB/resolv.conf"; then in_file 'nameserver 198.18.100.55' "$LAB/resolv.conf"
    else in_file 'nameserver 127.0.0.1' "$LAB/resolv.conf"; fi
}
event_names_stop() {
    { kill -STOP "$NAMES_PID"; sleep 3; kill -CONT "$NAMES_PID"; } &
}
event_names() {
    first_from=$(((${first_from:-0} + 50) % 15000))
    on device "$LABTOOL" first 198.18.100.55 n#.fresh.example "$first_from" 20 80 4 >>"$LAB/first" 2>&1 &
}
event_stall() { { sleep 5 | socat - "UNIX-CONNECT:$LAB/run/connmgr.sock"; } >/dev/null 2>&1 & }
event_ask() {
    for verb in status metrics events; do ask $verb >>"$LAB/asked" 2>&1 & done
}
event_storm() { tell_attrd 'storm 65008 1000 200'; }
event_hup() { kill -HUP "$CONNMGR_PID"; }
event_kill() {
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>/dev/null
    runs
}
event_term() {
    stop_connmgr
    runs
}

# -- the run ----------------------------------------------------------------------------------------------------------

mkdir -p "$LAB/faults" "$LAB/broken"
lab_up
names_up
NAMES_PID=$!
start_attrd
export ATTRC="$ATTRD_TOOLS/attrc" ATTRD_SOCKET
for link in eth0 wlan0; do serves $link; done
resolver_runs
runs
wait_for 60 "at first eth0 is in use, it and wlan0 are confirmed" settled
wait_for 30 "and whitelisted names are open" on device "$LABTOOL" resolve 198.18.100.55 n1.fresh.example
more=$((seconds + 60))
on device "$LABTOOL" talk tcp 198.19.0.0 80 200 >/dev/null 2>&1 &
on device "$LABTOOL" talk dns 198.18.100.55 53 500 >/dev/null 2>&1 &
on device "$LABTOOL" flood 198.18.100.8 7003 10 "$more" >"$LAB/flood.out" 2>&1 &
for link in eth0 wlan0 wwan0; do
    on cloud "$LABTOOL" flood "$(subnet_of $link).2" 7003 10 "$more" >"$LAB/flood.$link" 2>&1 &
done

/usr/bin/python3 "$NETNS_DIR/soak_plan.py" "$seed" "$seconds" >"$LAB/plan"
/usr/bin/python3 "$NETNS_DIR/soak_check.py" "$seconds" >"$LAB/checked" 2>&1 &
checker=$!
zero=$(now)
while read -r at event words; do
    due=$((zero + ${at%.*} * 100 + ${at#*.} * 10)) at=$(now)
    [ "$at" -ge "$due" ] || pause "$(((due - at) / 100)).$(printf %02d $(((due - at) % 100)))"
    echo "$(($(now) - zero))0 ms: $event $words" >>"$LAB/done"
    # shellcheck disable=SC2086  # words
    "event_$event" $words >>"$LAB/done" 2>&1 || echo "    status $?" >>"$LAB/done"
    connmgr_runs || { echo "the daemon ended by itself before $event $words" | tee -a "$LAB/done"; LAB_FAILED=1; runs; }
done <"$LAB/plan"

wait "$checker" && status=0 || status=$?
sed -n '/^always/,$p' "$LAB/checked"
[ "$status" -le 1 ] || tail -n 5 "$LAB/checked"
check "every invariant was kept" test "$status" = 0
wait_for 60 "in the end everything is as at first" settled
