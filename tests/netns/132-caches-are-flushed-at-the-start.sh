#!/bin/sh
# Names that were resolved before the daemon ran, or while it was dead, are in the caches of the device's name servers for hours,
# and the daemon has not seen their addresses. It makes the real dnsmasq and unbound, and what flush_dns.user knows, forget them:
# the next connection works. With all privileges, and with those of the shipped units, where init sends the signals. A name server
# in a container is left alone.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
host_behind
# Nothing here expires by itself. unbound on .2 has no remote control, that on .3 has.
cache() {
    nsenter --net="/run/netns/$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --user="$2" --group= --pid-file= --no-resolv \
        --no-hosts --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 --min-cache-ttl=3600 --log-queries \
        --log-facility=- >"$LAB/dnsmasq.$1" 2>&1 &
}
unbound_at() {
    cat >"$LAB/unbound.$1" <<END
server:
    interface: 127.0.0.$1
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    cache-min-ttl: 3600
forward-zone:
    name: "."
    forward-addr: 198.18.100.55
remote-control:
    control-enable: $2
    control-use-cert: no
    control-interface: 127.0.0.3
END
    nsenter --net=/run/netns/device unbound -c "$LAB/unbound.$1" >"$LAB/unbound.log.$1" 2>&1 &
}
cache device root
DNSMASQ=$!
cache host nobody
unbound_at 2 no
UNBOUND=$!
unbound_at 3 yes
for at in 1 2 3; do poll 10 on device "$LABTOOL" resolve "127.0.0.$at" "n6500$at.foreign.example"; done

resolved() { on "$1" "$LABTOOL" resolve "127.0.0.$2" "$3.fresh.example" >"$LAB/address" && grep . "$LAB/address"; }
goes_to() { resolved device "$1" "$2" && on device socat -u OPEN:/dev/null "TCP:$(cat "$LAB/address"):80,connect-timeout=0.5"; }
warm() { for at in 1 2 3; do check "$1: a name is resolved by 127.0.0.$at" resolved device "$at" "n$2$at"; done; }
works() {
    for at in 1 2 3; do wait_for 5 "$1: the cached name of 127.0.0.$at can be reached at once" goes_to "$at" "n$2$at"; done
}
is_cached() { resolved host 1 n4 && tail -n 2 "$LAB/dnsmasq.host" | grep -q 'cached n4'; }
flushed() { log_has "flush_dns.sh: .?\"?flushed $1"; }

# With all privileges.
cat >"$LAB/etc/flush_dns.user" <<END
echo \$CONNMGR_CONFIG_DIR >>"$LAB/hook"
END
check "a container's name server knows a name" resolved host 1 n4
modes='hold sniff'
can_hold || { modes=sniff; skip "with nft: $no_queue"; }
n=10 starts=0
for mode in $modes; do
    n=$((n + 1)) starts=$((starts + 2))
    warm "$mode, before the start" "$n"
    lockdown --dns "$mode"
    wait_for 10 "$mode: the log says what was flushed" flushed 'dnsmasq unbound unbound flush_dns.user'
    works "$mode, started" "$n"
    n=$((n + 1))
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    warm "$mode, dead" "$n"
    lockdown --dns "$mode"
    works "$mode, started again" "$n"
    stop_connmgr
done
check "the user's own script has run after each start, and not at the stop" test "$(wc -l <"$LAB/hook")" = "$starts"
check "it knows the directory" grep -qx "$LAB/etc" "$LAB/hook"
check "the container's name server still has its cache" is_cached

# With the privileges of the shipped units: the kernel refuses a signal to a process of another user. What init would do is done
# by a process with all privileges, which is told by a FIFO.
kill "$DNSMASQ"
wait "$DNSMASQ" 2>"$LAB/last" || :
cache device nobody
DNSMASQ=$!
poll 10 resolved device 1 n5
mkfifo "$LAB/init"
while read -r service number; do
    case $service in dnsmasq) kill -s "$number" "$DNSMASQ" ;; unbound) kill -s "$number" "$UNBOUND" ;; esac
done <>"$LAB/init" &
mkdir "$LAB/bin"
cat >"$LAB/bin/ubus" <<END
#!/bin/sh
[ "\$1 \$2 \$3" = "call service signal" ] || exit 4
set -- \$(echo "\$4" | sed 's/[^a-z0-9]/ /g')
echo "\$2 \$4" >>"$LAB/told"
echo "\$2 \$4" >"$LAB/init"
END
printf '#!/bin/sh\nexec %s --no-new-privs --bounding-set -all,+net_admin,+net_raw %s "$@"\n' "$(command -v setpriv)" "$(connmgr_path)" >"$LAB/connmgr-of-the-unit"
chmod +x "$LAB/bin/ubus" "$LAB/connmgr-of-the-unit"
printf 'exit 3\n' >"$LAB/etc/flush_dns.user"
[ ! -d "$LAB/bare" ] || cp "$LAB/bin/ubus" "$LAB/bare" # its whole PATH, with nft
lab_path=$PATH
warm "limited" 15
PATH=$LAB/bin:$PATH CONNMGR=$LAB/connmgr-of-the-unit
lockdown
PATH=$lab_path
wait_for 10 "limited: a script of the user that fails is reported" log_has 'flush_dns.sh.*cannot flush the cache of flush_dns.user \(status 3\)'
check "limited: init was asked to signal dnsmasq" grep -qx 'dnsmasq 1' "$LAB/told"
works "limited" 15
stop_connmgr
rm -f "$LAB/bare/ubus"
printf 'exec sleep 1000\n' >"$LAB/etc/flush_dns.user"
warm "a script of the user that hangs" 16
CONNMGR=
# All privileges again: this daemon has given up CAP_KILL by the time it is locked, and there is no init.
lockdown
works "a script of the user that hangs" 16
check "it delays nothing" settled
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>"$LAB/last" || :

echo "echo foreign >>'$LAB/hook'" >"$LAB/etc/flush_dns.user"
chmod 664 "$LAB/etc/flush_dns.user"
lockdown
wait_for 10 "a script that others can write to is reported" log_has 'flush_dns.user \(not owned by root, or writable by others\)'
chmod 644 "$LAB/etc/flush_dns.user"
check "and not run" not grep -q foreign "$LAB/hook"
stop_connmgr

# Without the lockdown nothing is closed, and no cache has to forget.
echo "echo unlocked >>'$LAB/hook'" >"$LAB/etc/flush_dns.user"
FIREWALL=-d start_connmgr
poll 30 settled
check "without the lockdown no cache is flushed" not grep -q unlocked "$LAB/hook"
stop_connmgr
