#!/bin/sh
# Connections from before the first lockdown: those with unlisted peers are dead in both directions, and so
# are those that the peer began, even a whitelisted one. Those that we began with a whitelisted peer continue.
# With the conntrack tool, without it, and where conntrack had no entry.
# takes 160 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/listener.log" 2>&1 &
# A stream that continues without answers: each packet would keep its conntrack entry alive.
# It starts no processes, and end_talks ends it: with UDP it would go on without a listener.
mkfifo "$LAB/never"
cat >"$LAB/stream" <<END
echo \$\$ >>"$LAB/pids"
while echo '1 answer'; do read -r -t 0.05 _ <>"$LAB/never"; done
END
for listen in UDP4-LISTEN:9000 TCP4-LISTEN:9000 UDP6-LISTEN:9000; do
    case $listen in *4*) bind=198.18.100.8 ;; *) bind='[2001:db8:100::8]' ;; esac
    on cloud socat "$listen,bind=$bind,fork,reuseaddr" EXEC:"bash $LAB/stream" 2>/dev/null &
done

# talks NAME HOST PROTOCOL ADDRESS PORT: sends until it is killed; writes a line for each answer.
talks() {
    nsenter --net="/run/netns/$2" "$LABTOOL" talk "$3" "$4" "$5" 50 >"$LAB/talk.$1" 2>&1 &
    echo $! >>"$LAB/pids"
    started="$started $1"
}
# listens NAME TARGET: sends one request, then only listens.
listens() {
    { echo go; exec sleep 60; } | nsenter --net=/run/netns/device socat - "$2" >"$LAB/talk.$1" 2>&1 &
    echo $! >>"$LAB/pids"
    started="$started $1"
}
begin_talks() {
    : >"$LAB/pids"
    started=
    for pair in 198.18.100.8:4-stranger 198.18.100.10:4-friend 2001:db8:100::8:6-stranger 2001:db8:100::10:6-friend; do
        address=${pair%:*} name=${pair##*:}
        for protocol in tcp udp; do
            talks "$protocol$name" device "$protocol" "$address" 80
            talks "host-$protocol$name" host "$protocol" "$address" 80
        done
    done
    # labtool does not bind a source address: the cloud's routes choose it.
    ip -n cloud route replace 198.18.1.0/24 via 198.18.11.1 src 198.18.100.10
    talks caller-friend cloud tcp 198.18.1.2 7001
    talks caller-friend-udp cloud udp 198.18.1.2 7001
    ip -n cloud route replace 198.18.1.0/24 via 198.18.11.1
    talks caller-stranger cloud tcp 2001:db8:1::2 7001
    listens stream-tcp TCP4:198.18.100.8:9000
    listens stream-udp UDP4:198.18.100.8:9000
    listens stream-udp6 'UDP6:[2001:db8:100::8]:9000'
    : >"$LAB/marks"
    wait_for 10 "${WITH}before the lockdown all are answered" all_alive
}
end_talks() {
    while read -r pid; do kill "$pid" 2>/dev/null || :; done <"$LAB/pids"
}

# mark_all: notes how many answers each talk has received. alive: lists the talks that have received any since. One
# process reads all files: there are twenty, and they are read again and again.
mark_all() { awk '/ answer/ { n[FILENAME]++ } END { for (file in n) print file, n[file] }' "$LAB"/talk.* >"$LAB/marks"; }
alive() {
    awk -v marks="$LAB/marks" '
        FILENAME == marks { n[$1] = -$2; next }
        / answer/ { n[FILENAME]++ }
        END { for (file in n) if (n[file] > 0) { sub(/.*\/talk\./, "", file); print file } }' "$LAB/marks" "$LAB"/talk.* | sort
}
all_alive() {
    alive >"$LAB/alive"
    for name in $started; do grep -qx "$name" "$LAB/alive" || echo "no answer: $name"; done
    [ "$(echo "$started" | wc -w)" = "$(wc -l <"$LAB/alive")" ]
}
all_friends() { [ "$(alive | tr '\n' ' ')" = "$friends " ]; }
friends='host-tcp4-friend host-tcp6-friend host-udp4-friend host-udp6-friend tcp4-friend tcp6-friend udp4-friend udp6-friend'
uninterrupted() {
    for name in $friends; do
        grep -H lost "$LAB/talk.$name" && return 1
    done
    return 0
}
told() { grep -h lost "$LAB/talk.$1"; }

# make_sets: makes the sets as the daemon does before it locks.
make_sets() {
    case $VARIANT in
        bare)
            on device nft -f - <<'END'
add table inet connmgr
add set inet connmgr afero4 { type ipv4_addr; flags timeout; }
add set inet connmgr afero6 { type ipv6_addr; flags timeout; }
END
            ;;
        *)
            on device ipset create afero4 hash:net family inet timeout 0 maxelem 65536
            on device ipset create afero6 hash:net family inet6 timeout 0 maxelem 65536 ;;
    esac
    admit 198.18.100.10 2001:db8:100::10
}

old_connections() {
    unlock
    make_sets
    begin_talks
    case $1 in
        tool)
            TOOLS=
            [ "$VARIANT" != bare ] || ln -sf "$(command -v conntrack)" "$LAB/bare/" ;;
        *)
            # Everything except the conntrack tool.
            rm -f "$LAB/bare/conntrack"
            mkdir -p "$LAB/tools.$VARIANT"
            for tool in sh cat grep sed ipset dash busybox env; do ln -sf "$(command -v "$tool")" "$LAB/tools.$VARIANT/"; done
            TOOLS=$LAB/$VARIANT:$LAB/tools.$VARIANT ;;
    esac
    lock "$1: locked"
    TOOLS=
    [ "$1" != forgotten ] || on device conntrack -F 2>/dev/null
    mark_all
    wait_for 3 "${WITH}$1: what we began with friends goes on" all_friends
    # By now each talk has asked more than once; UDP asks without a pause.
    mark_all
    wait_for 3 "${WITH}$1: and goes on" all_friends
    stays 1 "${WITH}$1: the rest is dead" only_friends
    case $1 in
        tool)
            check "${WITH}$1: friends noticed nothing" uninterrupted
            check "${WITH}$1: says how many" grep -qx 'ended: [1-9][0-9]*' "$LAB/said"
            wait_for 3 "${WITH}$1: the device was told, IPv4" told tcp4-stranger
            wait_for 3 "${WITH}$1: the device was told, IPv6" told tcp6-stranger
            wait_for 3 "${WITH}$1: the host was told" told host-tcp4-stranger ;;
        without)
            check "${WITH}$1: friends noticed nothing" uninterrupted
            check "${WITH}$1: says so" grep -qx 'ended: unknown' "$LAB/said" ;;
    esac
    lock "$1: locked again"
    check "${WITH}$1: a later run ends none" grep -qx 'ended: 0' "$LAB/said"
    mark_all
    wait_for 3 "${WITH}$1: friends go on" all_friends
    end_talks
}
only_friends() {
    for name in $(alive); do
        case " $friends " in *" $name "*) ;; *) echo "$name"; return 1 ;; esac
    done
}
with_the_tool() { old_connections tool; }
without_the_tool() { old_connections without; }
nothing_known() { old_connections forgotten; }

backends with_the_tool without_the_tool nothing_known
