#!/bin/sh
# flush_dns.sh [--wait]: makes the name servers of this device forget what they know. connmgr has not seen the answers that came before it
# ran, so the addresses in them stay closed while a cache serves them. With --wait it first waits for a line on stdin, and ends
# without it. So the daemon starts it before it gives up CAP_KILL, and gives the order as soon as the lockdown is in force and DNS is
# watched: once after each start. The daemon does not wait for it.
#
# dnsmasq: SIGHUP. unbound: unbound-control, or SIGHUP. systemd-resolved: resolvectl, or SIGUSR2. For other caches, the user's own
# $CONNMGR_CONFIG_DIR/flush_dns.user (/etc/af-conn) is run with sh, if it exists.
#
# Only processes of this network namespace count: those of a container ask through their own interfaces, and are not ours.
# A process has the same file /proc/PID/net/dev as this one if it has the same namespace; unlike /proc/PID/ns/net, anybody may look
# at it. In the shipped units CAP_KILL is missing from the start. Then init sends the signal: systemd or procd.
#
# Prints `flushed NAME...`. Status 0: done, or there is no cache. 1: a cache could not be flushed; the last line says which.
set -uf

if [ "${1-}" = --wait ]; then
    read -r _ || exit 0
    exec </dev/null
fi
flushed='' failed=''

# unit_of PID: prints the systemd unit whose main process it is. Other processes of a unit might not survive the signal.
unit_of() {
    command -v systemctl >/dev/null || return
    while IFS= read -r unit_line; do
        case $unit_line in 0::*.service | 1:name=systemd:*.service) ;; *) continue ;; esac
        unit=${unit_line##*/}
        [ "$(systemctl show --property=MainPID --value "$unit" 2>/dev/null)" = "$1" ] || continue
        echo "$unit"
        return
    done <"/proc/$1/cgroup"
    return 1
}

# signal PID SIGNAL NUMBER SERVICE: by kill, procd or systemd.
signal() {
    kill -s "$2" "$1" 2>/dev/null && return
    if command -v ubus >/dev/null &&
        ubus call service signal "{ \"name\": \"$4\", \"signal\": $3 }" >/dev/null 2>&1; then return; fi
    signal_unit=$(unit_of "$1") && systemctl kill --kill-who=main --signal="$2" "$signal_unit" 2>/dev/null
}

# config_of PID: prints the absolute path behind -c in its command line.
config_of() {
    config_is_next=
    tr '\0' '\n' <"/proc/$1/cmdline" | while IFS= read -r config_word; do
        case $config_is_next$config_word in
            yes/*) echo "$config_word"; break ;;
            -c/*) echo "${config_word#-c}"; break ;;
        esac
        config_is_next=
        [ "$config_word" != -c ] || config_is_next=yes
    done
}

# Without remote control unbound-control would ask another unbound. SIGHUP makes unbound read its configuration again, and a bad one
# ends it.
flush_unbound() {
    unbound_config=$(config_of "$1")
    set -- "$1" ${unbound_config:+"$unbound_config"}
    unbound_control=yes
    if command -v unbound-checkconf >/dev/null; then
        unbound_control=$(unbound-checkconf -o control-enable ${2+"$2"} 2>/dev/null) || return
    fi
    [ "$unbound_control" = no ] || ! command -v unbound-control >/dev/null ||
        ! unbound-control ${2+-c "$2"} flush_zone . >/dev/null 2>&1 || return 0
    signal "$1" HUP 1 unbound
}

flush_resolved() {
    ! command -v resolvectl >/dev/null || ! resolvectl flush-caches 2>/dev/null || return 0
    signal "$1" USR2 12 systemd-resolved
}

# note NAME PID STATUS
note() {
    if [ "$3" = 0 ]; then flushed="$flushed $1"; else failed="$failed $1 (process $2)"; fi
}

# is_trusted FILE: a regular file of root that only root may write to: it is run with all privileges.
is_trusted() {
    # shellcheck disable=SC2046 # words
    set -- $(ls -lnd "$1")
    case $1.$3 in -????-??-*.0) ;; *) return 1 ;; esac
}

user=${CONNMGR_CONFIG_DIR:-/etc/af-conn}/flush_dns.user user_pid=
if [ -e "$user" ] && ! is_trusted "$user"; then
    failed="$failed flush_dns.user (not owned by root, or writable by others)"
elif [ -e "$user" ]; then
    sh "$user" </dev/null &
    user_pid=$!
fi

# What may wait comes last: a signal waits for nobody.
later=
set +f
set -- /proc/[0-9]*
set -f
for process; do
    pid=${process#/proc/}
    read -r name 2>/dev/null <"$process/comm" || continue
    case $name in dnsmasq | unbound | systemd-resolve) ;; *) continue ;; esac
    # shellcheck disable=SC3013 # dash and BusyBox have -ef
    [ "$process/net/dev" -ef /proc/self/net/dev ] || continue
    # dnsmasq forks for each TCP connection, and for its script. The parent has the cache.
    read -r _ _ _ parent _ 2>/dev/null <"$process/stat" || continue
    ! { read -r parent_name 2>/dev/null <"/proc/$parent/comm" && [ "$parent_name" = "$name" ]; } || continue
    case $name in
        dnsmasq) signal "$pid" HUP 1 dnsmasq && status=0 || status=1; note dnsmasq "$pid" "$status" ;;
        *) later="$later $name:$pid" ;;
    esac
done
for entry in $later; do
    pid=${entry#*:} status=0
    case $entry in
        unbound:*) flush_unbound "$pid" || status=1; note unbound "$pid" "$status" ;;
        *) flush_resolved "$pid" || status=1; note systemd-resolved "$pid" "$status" ;;
    esac
done
if [ -n "$user_pid" ]; then
    status=0
    wait "$user_pid" || status=$?
    if [ "$status" = 0 ]; then flushed="$flushed flush_dns.user"; else failed="$failed flush_dns.user (status $status)"; fi
fi
[ -z "$flushed" ] || echo "flushed$flushed"
[ -z "$failed" ] || { echo "cannot flush the cache of$failed" >&2; exit 1; }
