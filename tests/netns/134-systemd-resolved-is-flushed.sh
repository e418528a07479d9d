#!/bin/sh
# The cache of the real systemd-resolved forgets what was resolved before the daemon ran, and while it was dead: the next
# connection works. With all privileges, and with those of the shipped unit.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/resolvers.sh"
. "$NETNS_DIR/names.sh"

resolved=/usr/lib/systemd/systemd-resolved
need_packages systemd-resolved
need_programs dbus-daemon resolvectl "$resolved"
need_user systemd-resolve 982
lab_up
names_up
bus_up
mkdir -p /run/systemd/resolve /etc/systemd
chown systemd-resolve: /run/systemd/resolve
printf '[Resolve]\nDNS=198.18.100.55\nFallbackDNS=\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nCache=yes\n' >/etc/systemd/resolved.conf
nsenter --net=/run/netns/device env SYSTEMD_LOG_TARGET=console "$resolved" >"$LAB/resolved.log" 2>&1 &
poll 10 on device resolvectl status
printf '#!/bin/sh\nexec %s --no-new-privs --bounding-set -all,+net_admin,+net_raw %s "$@"\n' "$(command -v setpriv)" "$(connmgr_path)" >"$LAB/connmgr-of-the-unit"
chmod +x "$LAB/connmgr-of-the-unit"

answers() { on device "$LABTOOL" resolve 127.0.0.53 "$1.fresh.example" >"$LAB/address" && grep . "$LAB/address"; }
goes_to() { answers "$1" && on device socat -u OPEN:/dev/null "TCP:$(cat "$LAB/address"):80,connect-timeout=0.5"; }
poll 10 answers n1
n=10
for privileges in all "the unit's"; do
    if [ "$privileges" != all ]; then
        CONNMGR=$LAB/connmgr-of-the-unit
        [ ! -d "$LAB/bare" ] || ln -s "$(command -v resolvectl)" "$LAB/bare" # the whole PATH, with nft
    fi
    n=$((n + 2))
    check "$privileges: a name is resolved" answers "n$n"
    lockdown
    wait_for 10 "$privileges: the log says what was flushed" log_has 'flush_dns.sh: .*flushed systemd-resolved'
    wait_for 5 "$privileges: started: the cached name can be reached at once" goes_to "n$n"
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    check "$privileges: dead: a name is resolved" answers "n$((n + 1))"
    lockdown
    wait_for 5 "$privileges: started again: the cached name can be reached at once" goes_to "n$((n + 1))"
    stop_connmgr
done
