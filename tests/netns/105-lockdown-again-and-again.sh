#!/bin/sh
# Repeated runs of init_firewall.sh: the rules are the same, the device is never open, no connection is cut
# off. What other programs flushed is repaired. What they added stays, after our rules. nat and mangle do not
# change. firewall.user runs last.
# takes 285 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
friends='198.18.100.10 2001:db8:100::10'
on device "$LABTOOL" echo 7001 "$LAB/echo-mode" >"$LAB/listener.log" 2>&1 &
poll 10 grep -q listening "$LAB/listener.log"

# shellcheck disable=SC2086  # lists
same_again() {
    unlock
    lock
    admit $friends
    rules >"$LAB/first"
    lock "locked again"
    same "${WITH}the same rules" rules <"$LAB/first"
    ENVIRONMENT='CONNMGR_SETS=yes CONNMGR_QUEUE=' lock "locked again, as the daemon does"
    same "${WITH}the same rules" rules <"$LAB/first"
    ENVIRONMENT=CONNMGR_QUEUE=5353 lock "locked again, with a queue"
    case $VARIANT in bare) backend=nft ;; *) backend=iptables ;; esac
    reports_queue "$WITH" 5353
    check "${WITH}replies go through the queue, before they are accepted" queued
    rules >"$LAB/queued"
    lock "locked again, with what was in force"
    same "${WITH}the same rules" rules <"$LAB/queued"
    both $friends | same "${WITH}nobody has to listen at the queue" reached device eth0 $friends
    check "${WITH}a name is resolved without that listener" on device getent ahosts echo.example

    flush_all
    nothing "${WITH}flushed: nobody is reached" reached device eth0 $friends
    ENVIRONMENT=CONNMGR_QUEUE=5353 lock "flushed, locked again"
    same "${WITH}the same rules" rules <"$LAB/queued"
    both $friends | same "${WITH}flushed: the addresses are there" reached device eth0 $friends
    remove_all
    ENVIRONMENT=CONNMGR_QUEUE=5353 lock "flushed and chains removed, locked again"
    same "${WITH}the same rules" rules <"$LAB/queued"
    [ "$VARIANT" != bare ] || admit $friends # the sets went with the table
    both $friends | same "${WITH}friends are reached again" reached device eth0 $friends
    ENVIRONMENT=CONNMGR_QUEUE= lock "without the queue"
    same "${WITH}the first rules" rules <"$LAB/first"
}
# can_queue: true if this kernel's nf_tables has queues.
can_queue() {
    [ "$VARIANT" != bare ] ||
        printf 'add table inet try\nadd chain inet try try\nadd rule inet try try queue num 5353 bypass\n' | on device nft -c -f - 2>/dev/null
}
# reports_queue WITH QUEUE
reports_queue() {
    queue=$2
    can_queue || queue=none
    printf '%s\n' 'sets: yes' "queue: $queue" 'probes: mark' 'name-servers: any' 'ended: 0' "backend: $backend" 'bridged: yes' |
        same "$1says what is in force" cat "$LAB/said"
}
queued() {
    if [ "$VARIANT" = bare ]; then
        can_queue || return 0
        for chain in AFERO_ALLOW_SERVICE_INPUT AFERO_FORWARD_ACCEPT_SERVICE; do
            on device nft list chain inet connmgr $chain | awk '
                / sport 53 ct state established ct direction reply queue / && /bypass/ && /5353/ && !accepts { queues++ }
                / sport 53 ct state established ct direction reply accept/ { accepts++ }
                END { exit !(queues == 2 && accepts == 2) }' || return
        done
        return
    fi
    for family in iptables ip6tables; do
        for chain in AFERO_ALLOW_SERVICE_INPUT AFERO_FORWARD_ACCEPT_SERVICE; do
            on device "$LAB/$VARIANT/$family" -S "$chain" 2>/dev/null | awk '
                / --sport 53 / && /ESTABLISHED/ && /REPLY/ && /NFQUEUE --queue-num 5353 --queue-bypass/ && !accepts { queues++ }
                / --sport 53 / && /-j ACCEPT/ { accepts++ }
                END { exit !(queues == 2 && accepts == 2) }' || return
        done
    done
}

# flush_all: deletes all our rules. remove_all: deletes the chains as well and opens the device.
flush_all() {
    if [ "$VARIANT" = bare ]; then
        on device nft flush table inet connmgr
    else
        on device sh -c "$LAB/$VARIANT/iptables -w -F; $LAB/$VARIANT/ip6tables -w -F"
    fi
}
remove_all() {
    if [ "$VARIANT" = bare ]; then
        # Do not flush the whole ruleset: it contains the lab's NAT.
        on device nft delete table inet connmgr
        on device nft delete table bridge connmgr
    else
        on device sh -c "for t in iptables ip6tables; do t=$LAB/$VARIANT/\$t; \$t -w -F; \$t -w -X; \$t -w -P INPUT ACCEPT; done"
    fi
}

# A hundred clients, and intruders, while the script runs again and again and the rules are flushed in
# between.
# shellcheck disable=SC2086  # lists
never_open_never_cut() {
    unlock
    pids=
    # An unlisted host, to the device and from it: no packet may pass.
    nsenter --net=/run/netns/device socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard.device.$VARIANT,creat,append" &
    pids="$pids $!"
    nsenter --net=/run/netns/cloud socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard.cloud.$VARIANT,creat,append" &
    pids="$pids $!"
    nsenter --net=/run/netns/cloud "$LABTOOL" flood 198.18.1.2 7003 500 60 >"$LAB/flood.in" 2>&1 &
    pids="$pids $!"
    nsenter --net=/run/netns/device "$LABTOOL" flood 2001:db8:100::8 7003 500 60 >"$LAB/flood.out" 2>&1 &
    pids="$pids $!"
    wait_for 2 "${WITH}not locked: the device hears a stranger" grep -q flood "$LAB/heard.device.$VARIANT"
    wait_for 2 "${WITH}not locked: a stranger hears the device" grep -q flood "$LAB/heard.cloud.$VARIANT"
    ENVIRONMENT='CONNMGR_SETS=yes CONNMGR_QUEUE=5353' lock
    admit $friends
    for n in $(seq 25); do
        talk_on device tcp 198.18.100.10 "$n"
        talk_on device udp 2001:db8:100::10 "$n"
        talk_on host tcp 2001:db8:100::10 "$n"
        talk_on host udp 198.18.100.10 "$n"
    done
    wait_for 20 "${WITH}a hundred clients are answered" all_answered
    : >"$LAB/heard.device.$VARIANT"
    : >"$LAB/heard.cloud.$VARIANT"
    for n in $(seq 8); do
        case $((n % 2)) in
            0) ENVIRONMENT='CONNMGR_SETS=yes CONNMGR_QUEUE=5353' ;;
            1) ENVIRONMENT='CONNMGR_SETS=yes CONNMGR_QUEUE=' ;;
        esac
        script init_firewall.sh
        [ "$STATUS" = 0 ] || not_ok "${WITH}run $n failed: $(cat "$LAB/complained")"
    done
    ENVIRONMENT=
    nothing "${WITH}not one packet of a stranger got in or out" cat "$LAB/heard.device.$VARIANT" "$LAB/heard.cloud.$VARIANT"
    wait_for 20 "${WITH}all clients are answered still" all_answered
    check "${WITH}nobody was cut off" no_loss
    # Some of the background jobs may have ended already.
    kill $pids 2>/dev/null || :
}
talk_on() {
    nsenter --net="/run/netns/$1" "$LABTOOL" talk "$2" "$3" 80 500 >"$LAB/talk.$1.$2.$4" 2>&1 &
    pids="$pids $!"
}
all_answered() {
    tail -q -n 1 "$LAB"/talk.* >"$LAB/tails"
    [ "$(grep -c ' answer$' "$LAB/tails")" = 100 ]
}
# A UDP question may be lost, a connection must not.
no_loss() { ! grep -E ' (lost|failed)' "$LAB"/talk.*; }

rules_of_others() {
    unlock
    for t in iptables ip6tables; do
        on device "$LAB/$VARIANT/$t" -w -A INPUT -p tcp --dport 7001 -j ACCEPT
        on device "$LAB/$VARIANT/$t" -w -A OUTPUT -p tcp --sport 7001 -m conntrack --ctstate ESTABLISHED -j ACCEPT
        on device "$LAB/$VARIANT/$t" -w -N others
        on device "$LAB/$VARIANT/$t" -w -A others -m comment --comment 'a "quoted" comment' -j RETURN
        on device "$LAB/$VARIANT/$t" -w -A FORWARD -j others
        on device "$LAB/$VARIANT/$t" -w -t mangle -A PREROUTING -j MARK --set-mark 7
    done
    for table in nat mangle; do rules $table >"$LAB/before.$table"; done
    lock
    check "${WITH}ours come first" first_are_ours
    check "${WITH}what others accept is accepted" on cloud socat -u OPEN:/dev/null TCP4:198.18.1.2:7001,connect-timeout=1
    # Another program inserts a rule in front, and duplicates our jump.
    for t in iptables ip6tables; do
        on device "$LAB/$VARIANT/$t" -w -I INPUT -i lo -j ACCEPT
        on device "$LAB/$VARIANT/$t" -w -A INPUT -j AFERO_ALLOW_SERVICE_INPUT
        on device "$LAB/$VARIANT/$t" -w -A AFERO_ALLOW_SERVICE_INPUT -p tcp -j ACCEPT
    done
    lock "locked again"
    check "${WITH}ours come first again, once" first_are_ours
    check "${WITH}those of others are all there" others_are_there
    for table in nat mangle; do same "${WITH}$table is as it was" rules $table <"$LAB/before.$table"; done
    for t in iptables ip6tables; do on device "$LAB/$VARIANT/$t" -w -t mangle -F; done
}
first_are_ours() {
    for t in iptables ip6tables; do
        for pair in INPUT:AFERO_ALLOW_SERVICE_INPUT:AFERO_ALLOW_WHITELIST_INPUT \
            OUTPUT:AFERO_ALLOW_SERVICE_OUTPUT:AFERO_ALLOW_WHITELIST_OUTPUT \
            FORWARD:AFERO_FORWARD_ACCEPT_SERVICE:AFERO_FORWARD_WHITELIST; do
            hook=${pair%%:*} pair=${pair#*:} count=3
            [ "$hook" != INPUT ] || count=2
            on device "$LAB/$VARIANT/$t" -S "$hook" 2>/dev/null | grep -n . >"$LAB/chain"
            grep -qx "2:-A $hook -j ${pair%:*}" "$LAB/chain" && grep -qx "3:-A $hook -j ${pair#*:}" "$LAB/chain" &&
                grep -qx "1:-P $hook DROP" "$LAB/chain" && [ "$(grep -c AFERO "$LAB/chain")" = $count ] || return
            # The chain that resets comes after the rules of others.
            [ "$hook" = INPUT ] || tail -n 1 "$LAB/chain" | grep -q -e "-A $hook -j AFERO_RESET_$hook\$" || return
        done
    done
}
others_are_there() {
    for t in iptables ip6tables; do
        [ "$(on device "$LAB/$VARIANT/$t" -S INPUT 2>/dev/null | grep -cE 'dport 7001|-i lo')" = 2 ] &&
            on device "$LAB/$VARIANT/$t" -S others 2>/dev/null | grep -q 'a \\"quoted\\" comment' &&
            on device "$LAB/$VARIANT/$t" -S FORWARD 2>/dev/null | grep -qx -e '-A FORWARD -j others' || return
    done
}

# shellcheck disable=SC2016,SC2086  # firewall.user's business; lists
firewall_user() {
    unlock
    if [ "$VARIANT" = bare ]; then
        cat >"$LAB/etc/firewall.user" <<'END'
nft add rule inet connmgr user_input tcp dport 7001 accept
nft add rule inet connmgr user_output tcp sport 7001 accept
[ "$CONNMGR_BACKEND" = nft ]
END
    else
        cat >"$LAB/etc/firewall.user" <<'END'
iptables -C AFERO_ALLOW_SERVICE_INPUT -p tcp --dport 7001 -j ACCEPT 2>/dev/null ||
    iptables -A AFERO_ALLOW_SERVICE_INPUT -p tcp --dport 7001 -j ACCEPT
iptables -C AFERO_ALLOW_SERVICE_OUTPUT -p tcp --sport 7001 -j ACCEPT 2>/dev/null ||
    iptables -A AFERO_ALLOW_SERVICE_OUTPUT -p tcp --sport 7001 -j ACCEPT
[ "$CONNMGR_BACKEND" = iptables ]
END
    fi
    lock "locked, with firewall.user"
    check "${WITH}what firewall.user opens is open" on cloud socat -u OPEN:/dev/null TCP4:198.18.1.2:7001,connect-timeout=1
    rules >"$LAB/first"
    lock "locked again"
    same "${WITH}the same rules" rules <"$LAB/first"
    check "${WITH}says that it worked" grep -qx 'firewall.user: ok' "$LAB/said"
    check "${WITH}its timer does not run any more" not pgrep -fx 'sleep 8'

    # firewall.user fails, is not a shell script, or hangs, after it has opened the device.
    open="iptables -P INPUT ACCEPT; iptables -I INPUT -j ACCEPT; ip6tables -I INPUT -j ACCEPT"
    [ "$VARIANT" != bare ] || open="nft add rule inet connmgr user_input accept"
    for fault in 'echo "no such thing" >&2; exit 3' 'if true; then' "$open; false" "$open; sleep 1000"; do
        echo "$fault" >"$LAB/etc/firewall.user"
        lock "firewall.user fails ($fault)"
        admit $friends
        check "${WITH}which is reported" grep -q '^firewall.user: failed, [1-9]' "$LAB/said"
        check "${WITH}and told" grep -q "$LAB/etc/firewall.user failed with status [1-9]" "$LAB/complained"
        check "${WITH}closed to others" not on cloud socat -u OPEN:/dev/null TCP4:198.18.1.2:7001,connect-timeout=0.5
        both $friends | same "${WITH}the cloud is reached" reached device eth0 $friends
        check "${WITH}nothing of it runs still" not pgrep -f 'sh .*/firewall.user'
    done
    rm "$LAB/etc/firewall.user"
}

backends same_again never_open_never_cut
variants rules_of_others
backends firewall_user
