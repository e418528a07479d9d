#!/bin/sh
# verdict.sh [SECONDS [ROUNDS]]: how soon a link that died silently is left, and how often links that work are left: 20
# % loss, a full uplink, a link that sleeps, SECONDS each (default: 600), and an upstream that dies and revives. Prints
# a table, beside a script that pings every second and, if it is installed, keepalived with the same ping, which see the
# same router fail at the same moment. Exit status 0 if connmgr keeps every limit. Run nothing else on the machine
# meanwhile: it takes 11 minutes, `verdict.sh 60 4` three.
set -eu

NETNS_DIR=$(cd "$(dirname "$0")" && pwd)

# -- inside a sandbox: one measurement; lines "WHO NUMBER" ---------------------------------------------------------

# peers: a host beside the device, behind the same router r-eth, runs them. They see its upstream die, and not connmgr's probes.
peers() {
    ip netns add peer
    new_host peer
    ip link add lan index 71 netns peer type veth peer name lan2 index 72 netns r-eth
    ip -n r-eth -batch - <<'END'
link set lan2 up
address add 198.18.61.1/24 dev lan2
END
    ip -n peer -batch - <<'END'
link set lan up
address add 198.18.61.2/24 dev lan
route add default via 198.18.61.1
END
    ip -n cloud route add 198.18.61.0/24 via 198.18.11.1
    nsenter --net=/run/netns/peer sh "$NETNS_DIR/every_second.sh" 198.18.100.8 >"$LAB/peer.script" &
    : >"$LAB/peer.keepalived"
    command -v keepalived >/dev/null || return 0
    cat >"$LAB/notify.sh" <<END
#!/bin/sh
read -r now _ </proc/uptime
case \$3 in FAULT) word=left ;; MASTER) word=back ;; *) exit ;; esac
echo "\${now%.*}\${now#*.} \$word" >>"$LAB/peer.keepalived"
END
    chmod 755 "$LAB/notify.sh"
    cat >"$LAB/keepalived.conf" <<END
global_defs {
    script_user root
}
vrrp_script cloud {
    script "$(command -v ping) -c 1 -W 1 198.18.100.8"
    interval 1
    timeout 2
    fall 3
    rise 3
}
vrrp_instance link {
    state MASTER
    interface lan
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        198.18.61.99/32
    }
    track_script {
        cloud
    }
    notify "$LAB/notify.sh"
}
END
    nsenter --net=/run/netns/peer keepalived --dont-fork --log-console --use-file="$LAB/keepalived.conf" --pid="$LAB/keepalived.pid" \
        --vrrp_pid="$LAB/vrrp.pid" >"$LAB/keepalived.log" 2>&1 &
    poll 20 grep -q back "$LAB/peer.keepalived" || echo "keepalived does not start: $(tail -n 2 "$LAB/keepalived.log")" >&2
}
installed_peers() { echo script; ! command -v keepalived >/dev/null || echo keepalived; }
# said_since WHO WORD TIME: prints the first time after TIME when WHO said that.
said_since() { awk -v word="$2" -v after="$3" '$2 == word && $1 >= after { print $1; exit }' "$LAB/peer.$1"; }
# shellcheck disable=SC2317  # poll calls it
has_said() { [ -n "$(said_since "$@")" ]; }
# count_left WHO TIME: prints how often it has left the link since then.
count_left() { awk -v after="$2" '$2 == "left" && $1 >= after { n++ } END { print n + 0 }' "$LAB/peer.$1"; }

# measure_deaths ROUNDS tcp|dns|idle
measure_deaths() {
    peers
    for round in $(seq "$1"); do
        start_connmgr --idle 16
        poll 30 settled
        : >"$LAB/events"
        case $2 in
            idle)
                nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
                WATCH_PID=$! TALK_PID=
                poll 5 grep -q watching "$LAB/events" ;;
            mixed) if [ $((round % 2)) = 1 ]; then application tcp >&2; else application dns >&2; fi ;;
        esac
        at_random 4
        died=$(now)
        upstream_dead eth0
        poll 40 in_use wlan0 || :
        awk -v died="$died" 'index($0, "default4 wlan0 metric 0 new") && $1 / 10000 >= died { printf "connmgr %.2f\n", ($1 / 10000 - died) / 100; done = 1; exit }
            END { if (!done) print "connmgr 99" }' "$LAB/events"
        for who in $(installed_peers); do
            poll 20 has_said "$who" left "$died" || :
            echo "$who $(said_since "$who" left "$died") $died" | awk '{ printf "%s %.2f\n", $1, ($2 - $3) / 100 }'
        done
        # shellcheck disable=SC2086  # none, or one
        kill $TALK_PID "$WATCH_PID"
        stop_connmgr || :
        revived=$(now)
        upstream_alive eth0
        for who in $(installed_peers); do poll 30 has_said "$who" back "$revived" || :; done
    done
}

# begins: a daemon, an application, and the peers; counting begins.
begins() {
    peers
    start_connmgr
    poll 30 settled
    application tcp >&2
    counted=$(now) moved=$(moves)
}
ends() {
    echo "connmgr $(($(moves) - moved))"
    for who in $(installed_peers); do echo "$who $(count_left "$who" "$counted")"; done
    echo "waited $(longest_gap)"
}
# Each departure is followed by a return: two switches.
measure_returns() {
    begins
    end=$(($(now) + 100 * $1))
    while [ "$(now)" -lt "$end" ]; do
        upstream_dead eth0
        sleep 7
        upstream_alive eth0
        sleep 7
    done
    ends | awk '$1 == "script" || $1 == "keepalived" { $2 *= 2 } { print }'
}
measure_loss() {
    begins
    rule eth0 -A FORWARD -m statistic --mode random --probability 0.2 -j DROP
    sleep "$1"
    ends
}
measure_full() {
    begins
    # See test 78.
    on r-eth tc qdisc add dev wan root tbf rate 2mbit burst 5k latency 1500ms
    on device "$LABTOOL" flood 198.18.100.11 9 1000 0.4 1172 >&2
    on device "$LABTOOL" flood 198.18.100.11 9 210 "$1" 1172 >&2
    ends
}
# No peer: with a packet every second this link would never sleep.
measure_sleep() {
    SLEEPS="3000 1500" more_link wwan1
    printf '%s\n' "ETH_INTERFACE_0='wwan1'" "WIFISTA_INTERFACE_0='wlan0'" >"$LAB/etc/netif_names"
    start_connmgr --idle 4
    poll 30 in_use wwan1
    on device "$LABTOOL" talk udp 198.18.100.11 80 4500 >"$LAB/talk" &
    on device "$LABTOOL" talk tcp 198.18.100.11 80 9500 >"$LAB/talk.tcp" &
    moved=$(moves)
    sleep "$1"
    echo "connmgr $(($(moves) - moved))"
}

if [ "${1:-}" = --measure ]; then
    . "$NETNS_DIR/lib.sh"
    . "$NETNS_DIR/application.sh"
    lab_up
    what=$2
    shift 2
    case $what in
        traffic) measure_deaths "$1" mixed ;;
        idle) measure_deaths "$1" idle ;;
        returns) measure_returns "$1" ;;
        loss) measure_loss "$1" ;;
        full) measure_full "$1" ;;
        sleep) measure_sleep "$1" ;;
    esac
    exit
fi

# -- outside: the table -------------------------------------------------------------------------------------------------

seconds=${1:-600} rounds=${2:-20}
work=$(mktemp -d /tmp/connmgr-verdict.XXXXXX)
trap 'rm -rf "$work"' EXIT
missed=0

measure() { "$NETNS_DIR/sandbox.sh" bash --posix "$NETNS_DIR/verdict.sh" --measure "$@" >"$work/$1" 2>"$work/errors.$1" || :; }
# numbers MEASUREMENT WHO: prints median and maximum, or -.
numbers() {
    awk -v who="$2" '$1 == who { print $2 }' "$work/$1" | sort -n |
        awk '{ v[NR] = $1 } END { if (!NR) print "- -"; else print v[int((NR + 1) / 2)], v[NR] }'
}
# row MEASUREMENT DESC UNIT MEDIAN-LIMIT LIMIT: a limit may be -.
row() {
    row_what=$1 row_desc=$2 row_unit=$3
    ours=$(numbers "$1" connmgr) kept=
    echo "$ours $4 $5" | awk '{ exit !($1 != "-" && ($3 == "-" || $1 <= $3) && ($4 == "-" || $2 <= $4)) }' || { kept='  MISSED' missed=1; }
    printf '%-50s %-3s %11s %13s %13s %13s%s\n' "$row_desc" "$row_unit" "$4 $5" "$ours" "$(numbers "$1" script)" "$(numbers "$1" keepalived)" "$kept"
    case $ours in -*) sed 's/^/    /' "$work/errors.$row_what" ;; esac
}

read -r load _ </proc/loadavg
[ "${load%.*}" -lt 1 ] || echo "This machine is busy (load $load): the times will be longer than they need be."
# Side by side, each in a sandbox: none of them needs a tenth of a processor.
measure traffic "$rounds" &
measure idle $(((rounds + 1) / 2)) &
for what in returns loss full sleep; do measure $what "$seconds" & done
wait

echo "seconds and switches: median and most of $rounds rounds"
printf '%-50s %-3s %11s %13s %13s %13s\n' '' '' limit connmgr 'ping script' keepalived
row traffic "silent death under traffic (TCP, DNS)" s 2.5 4
row idle "silent death, idle, --idle 16" s - 18
row returns "upstream dies and revives every 7 s: switches" '' - $((3 + seconds / 120))
row loss "20 % loss, $seconds s: switches" '' - 0
row full "uplink full, 1.5 s of queue, $seconds s: switches" '' - 0
row sleep "a link that sleeps, $seconds s: switches" '' - 0
exit "$missed"
