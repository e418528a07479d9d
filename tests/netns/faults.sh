# shellcheck shell=sh
# A story in which system calls of the real executable fail (see inject.c). Source it after lib.sh, firewall.sh and names.sh.

STRANGER=198.18.100.99
STORY_NAME=0

# faults_up: a service that is not whitelisted, to which the device sends a packet every 20 ms.
faults_up() {
    names_up
    mkdir -p "$LAB/inject"
    mkfifo "$LAB/inject/order"
    faults_connmgr=$(connmgr_path)
    cat >"$LAB/injected-connmgr" <<END
#!/bin/sh
order=none
if [ -e "$LAB/first-order" ]; then
    read -r order <"$LAB/first-order"
    rm -f "$LAB/first-order"
fi
exec "$LABTOOL" inject "$LAB/inject" "\$order" "$faults_connmgr" "\$@"
END
    chmod +x "$LAB/injected-connmgr"
    ip -n cloud address add "$STRANGER/32" dev lo
    : >"$LAB/stranger"
    on cloud socat -u UDP4-RECV:9,bind="$STRANGER" "OPEN:$LAB/stranger,append" &
    nsenter --net=/run/netns/device "$LABTOOL" flood "$STRANGER" 9 50 100000 >"$LAB/flood" 2>&1 &
    FLOOD_PID=$!
}
stranger_hears() { [ -s "$LAB/stranger" ]; }

# leads LINK, leads6 LINK: like in_use and in_use6, but start no process.
leads() {
    leads_dev='' leads_least=''
    while read -r lab_dev lab_to _ _ _ _ lab_metric lab_mask _; do
        if [ "$lab_to$lab_mask" = 0000000000000000 ] && [ "${leads_least:-4294967296}" -gt "$lab_metric" ]; then
            leads_dev=$lab_dev leads_least=$lab_metric
        fi
    done <"/proc/$FLOOD_PID/net/route"
    [ "$leads_dev $leads_least" = "$1 0" ]
}
leads6() {
    leads_dev='' leads_least=''
    while read -r lab_to lab_length _ _ _ lab_metric _ _ _ lab_dev; do
        if [ "$lab_to$lab_length" = 0000000000000000000000000000000000 ] && [ "${leads_least:-4294967296}" -gt $((0x$lab_metric)) ]; then
            leads_dev=$lab_dev leads_least=$((0x$lab_metric))
        fi
    done <"/proc/$FLOOD_PID/net/ipv6_route"
    [ "$leads_dev $leads_least" = "$1 1" ]
}

# keep [ARGS...]: runs the daemon ($KEPT, or with faults), and starts it again 2 s after its end, as init systems do. Run it in the
# background.
keep() {
    FIREWALL=
    while [ ! -e "$LAB/over" ]; do
        CONNMGR=${KEPT:-$LAB/injected-connmgr} spawn_connmgr --resolver 198.18.100.55 --dns hold "$@"
        echo "$CONNMGR_PID" >"$LAB/pid"
        rm -f "$LAB/at-once"
        wait "$CONNMGR_PID" 2>/dev/null && keep_status=0 || keep_status=$?
        echo "ended: $keep_status" >>"$LAB/ends"
        [ -e "$LAB/at-once" ] || pause 2
    done
}

# again ORDER: kills the daemon; the next one starts at once with this order.
again() {
    echo "$1" >"$LAB/first-order"
    : >"$LAB/at-once"
    read -r again_pid <"$LAB/pid"
    kill -KILL "$again_pid" 2>/dev/null || : # it may be between two runs
    poll 10 begun
}
begun() { [ ! -e "$LAB/at-once" ]; }

# order ORDER: the running daemon gets this order.
order() {
    order_text=$1
    read -r order_serial <"$LAB/inject/serial" || order_serial=0
    poll 10 obeyed || not_ok "nobody takes the order $1"
}
obeyed() {
    echo "$order_text" 1<>"$LAB/inject/order" # lost if there is no daemon now
    pause 0.02
    read -r order_now <"$LAB/inject/serial" && [ "$order_now" != "$order_serial" ]
}

# ready: true if the daemon has locked and monitors, both families lead over eth0, and the links are confirmed.
ready() {
    leads eth0 && leads6 eth0 && [ "$(grep -cE '^<6> ?(monitoring |locked in .*DNS: |(eth0|wlan0|wwan0): ITFUP_S[UF] -> ITFUP_SS)' "$LAB/connmgr.log")" -ge 4 ]
}

# meet SECONDS: asks for a new name of the whitelist and connects; true if both succeed. Only the addresses of names met may be open.
meet() {
    STORY_NAME=$((STORY_NAME + 1))
    poll "$(($1 + 20 + $(patience)))" met # as within
}
met() { NAMES='n#.fresh.example' none_lost device 1 "$STORY_NAME"; }

# only_met_are_open: true if the addresses of the names met are open and no other.
only_met_are_open() {
    case $BACKEND in
        nft) on device nft list set inet connmgr afero4 ;;
        *) on device ipset list afero4 ;;
    esac | grep -oE '198\.19\.[0-9]+\.[0-9]+' | sort -u >"$LAB/open"
    i=0
    while [ "$i" -lt "$STORY_NAME" ]; do
        i=$((i + 1))
        echo "198.19.$((i / 256)).$((i % 256))"
    done | sort -u >"$LAB/met"
    diff "$LAB/met" "$LAB/open"
}

# errors_of CALL: prints the errors with which the kernel may answer it (man pages, section 2).
errors_of() {
    case $1 in
        socket) echo EMFILE ENOBUFS ENOMEM ;;
        connect | setsockopt | getsockname | getsockopt | bind | listen) echo ENOBUFS ENOMEM ;;
        sendto | sendmsg) echo ENOBUFS EINTR ENOMEM ;;
        recvfrom) echo ENOBUFS EINTR EAGAIN ENOMEM ;;
        recvmsg) echo ENOBUFS EINTR ENOMEM ;; # an answer of netlink is there when the request was sent
        read | pread64 | readv) echo EINTR EIO ;;
        write | writev) echo EINTR EAGAIN ENOSPC ;;
        open | openat) echo EMFILE EINTR ENOMEM ;;
        accept4) echo EMFILE EINTR ENOMEM ;;
        epoll_create1 | timerfd_create | eventfd2 | pipe2 | inotify_init1 | pidfd_open) echo EMFILE ENOMEM ;;
        epoll_ctl | inotify_add_watch) echo ENOSPC ENOMEM ;;
        epoll_wait | epoll_pwait | poll | ppoll | wait4 | waitid | getrandom) echo EINTR ;;
        clone | clone3 | vfork) echo EAGAIN ENOMEM ;;
        flock) echo EINTR ENOMEM ;;
        ftruncate | fsync | link | symlink | mkdir | rename) echo ENOSPC ;;
        unlink | readlink | access) echo ENOMEM ;;
        *) echo ENOMEM ;;
    esac
}

# pairs FILE: prints an order for each call in it and each of its errors.
pairs() {
    while read -r pairs_call pairs_place pairs_more; do
        if [ "$pairs_call" = short ]; then
            pairs_call=$pairs_place pairs_place=${pairs_more%% *}
            echo "$pairs_call $pairs_place one-byte"
        fi
        for pairs_error in $(errors_of "$pairs_call"); do echo "$pairs_call $pairs_place $pairs_error"; done
    done <"$1"
}
