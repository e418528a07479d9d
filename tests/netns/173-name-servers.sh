#!/bin/sh
# By default port 53 is open to the name servers that the device uses, and only their answers count. Hosts behind the bridge may
# ask others by UDP. A process without privileges that asks a server of its own opens nothing. When DHCP names another server,
# no first connection is lost. Name servers of the device may ask any server: real dnsmasq with a server of its own, and real
# unbound, recursive. With iptables and with nft.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

FIREWALL=
# An account that distributions have for a name server.
getent passwd >"$LAB/passwd"
grep -q '^coredns:' "$LAB/passwd" || echo 'coredns:x:4712:4712::/:/bin/false' >>"$LAB/passwd"
mount --bind "$LAB/passwd" /etc/passwd
lab_up
names_up
host_behind
ip -n cloud address add 198.18.100.58/32 dev lo
ip -n cloud address add 198.18.100.59/32 dev lo
for server in 58 59; do
    nsenter --net=/run/netns/cloud "$LABTOOL" names "198.18.100.$server" 198.18.100.8 >"$LAB/names.$server" 2>&1 &
    poll 10 grep -q answering "$LAB/names.$server"
done
cp "$LABTOOL" /run/labtool # where every user may run it
USER=4711
# asks SERVER NAME: asks once, and waits for five seconds.
asks() { on "${HOST:-device}" "$LABTOOL" resolve "$@" 4 1; }
as_user() { on device setpriv --reuid "$USER" --regid "$USER" --clear-groups "$@"; }
servers() { printf 'nameserver %s\n' "$@" >"$LAB/resolv.conf"; }
connects() { on "${HOST:-device}" socat -u OPEN:/dev/null "TCP:$1,connect-timeout=${2:-1}"; }
is_shut() { not connects "$@" 0.5; }
shows() { ask status | tr -s ' \n' '  ' | grep -E "$1"; }
# user_of NAME: prints the user that the distribution has for this name server; root if there is none.
user_of() { if getent passwd "$1" >"$LAB/last"; then echo "$1"; else echo root; fi; }
# forwarder USER: starts a name server on the device that runs as this user.
forwarder() {
    nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user="$1" --group= --pid-file= --no-resolv --no-hosts \
        --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.59 --server=/echo.example/198.18.100.53 >"$LAB/local" 2>&1 &
    LOCAL=$!
}
listens() { on device grep -q ' 0100007F:0035 ' /proc/net/udp; }
stop_local() {
    [ -z "${LOCAL:-}" ] || { kill "$LOCAL"; wait "$LOCAL" 2>"$LAB/last" || :; }
    LOCAL=
}

# scenario BACKEND FIRST: FIRST is the number of the first name.
scenario() {
    WITH="$1: " n=$2
    # The daemon must ask the lab's server for its own probes; the other one knows the new names.
    servers 198.18.100.53 198.18.100.55
    RESOLVER='' BACKEND=$1 start_connmgr
    wait_for 20 "${WITH}locked" log_has 'locked in '
    wait_for 30 "${WITH}links are confirmed" settled
    check "${WITH}status names the servers" shows 'name servers: 198.18.100.53, 198.18.100.55'

    check "${WITH}a user's own server cannot be asked" not as_user timeout 1 /run/labtool resolve 198.18.100.58 "n$n.fresh.example"
    check "${WITH}so nothing is open" is_shut "198.19.$((n / 256)).$((n % 256)):80"
    check "${WITH}nor by root, over TCP" is_shut 198.18.100.58:53
    HOST=host
    check "${WITH}a host behind the bridge may ask it, as in the original" asks 198.18.100.58 "n$n.fresh.example"
    check "${WITH}but not over TCP" is_shut 198.18.100.58:53
    check "${WITH}and its answer opens nothing" is_shut "198.19.$((n / 256)).$((n % 256)):80"
    check "${WITH}it may ask the device's servers" connects 198.18.100.55:53
    HOST=device
    check "${WITH}so may the user" as_user /run/labtool resolve 198.18.100.55 "n$((n + 1)).fresh.example"
    n=$((n + 1))
    wait_for 5 "${WITH}which opens the address" connects "198.19.$((n / 256)).$((n % 256)):80"

    # DHCP names another server, and back, by replacing the contents or in place.
    lost=
    for server in 58 55 58 55 58; do
        n=$((n + 20))
        servers 198.18.100.53 "198.18.100.$server"
        none_is_lost "198.18.100.$server" "$n" || lost="$lost n$n at $server: $(tail -n 1 "$LAB/last"),"
    done
    check "${WITH}no first question to a new server is lost" test -z "$lost"
    servers 198.18.100.53 198.18.100.55

    # A name server that has just started may ask at once, although the daemon has not looked for it since, and its
    # answers open addresses. (PowerDNS does not ask a server for a minute if its first question got no answer.)
    forwarder coredns
    poll 10 listens
    n=$((n + 20))
    check "${WITH}the first questions of a new name server are not lost" none_is_lost 127.0.0.1 "$n"
    stop_local
    ask reload >"$LAB/last"

    # A forwarder with a server that only it knows.
    forwarder "$(user_of dnsmasq)"
    servers 127.0.0.1
    wait_for 10 "${WITH}dnsmasq on the device is found" shows 'any for [^;]*root'
    n=$((n + 20))
    wait_for 10 "${WITH}dnsmasq may ask its own server" on device "$LABTOOL" resolve 127.0.0.1 "n$n.fresh.example"
    wait_for 5 "${WITH}and its answer counts" connects "198.19.$((n / 256)).$((n % 256)):80"
    check "${WITH}another user still may not" not as_user timeout 1 /run/labtool resolve 198.18.100.59 "n$((n + 1)).fresh.example"
    stop_local

    # A recursive resolver, for whose zone a server is authoritative that nobody else has named.
    mkdir -p /run/unbound
    chmod 777 /run/unbound
    cat >/run/unbound/conf <<END
server:
    interface: 127.0.0.1
    do-daemonize: no
    username: "$(user_of unbound)"
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
stub-zone:
    name: "fresh.example"
    stub-addr: 198.18.100.59
END
    nsenter --net=/run/netns/device unbound -c /run/unbound/conf >"$LAB/unbound.log" 2>&1 &
    LOCAL=$!
    n=$((n + 20))
    wait_for 20 "${WITH}unbound asks it" on device "$LABTOOL" resolve 127.0.0.1 "n$n.fresh.example"
    wait_for 5 "${WITH}and what it finds is open" connects "198.19.$((n / 256)).$((n % 256)):80"
    stop_local
    ask reload >"$LAB/last"
    wait_for 10 "${WITH}a reload forgets those that are gone" not shows 'any for [^;]*root'
    stop_connmgr || :
}
# none_is_lost SERVER FROM: asks for new names at once. While replies are held, it also connects.
none_is_lost() {
    asks "$1" "n$2.fresh.example" >"$LAB/last" || return
    if [ "$MODE" = hold ]; then none_lost device 5 "$(($2 + 1))" "$1" >"$LAB/last"; fi
}

use_variant legacy
MODE=hold
is_nft || scenario iptables 1000
unlock
MODE=sniff
scenario nft 3000
unlock

# A list that the user gives.
servers 198.18.100.55
WITH="a list: "
RESOLVER='' BACKEND=iptables start_connmgr --resolver 198.18.100.53 --dns-servers 198.18.100.58
wait_for 20 "${WITH}locked" log_has 'locked in '
check "${WITH}its server may be asked" as_user /run/labtool resolve 198.18.100.58 n5001.fresh.example
wait_for 5 "${WITH}and counts" connects 198.19.19.137:80
check "${WITH}others may not" not as_user timeout 1 /run/labtool resolve 198.18.100.55 n5002.fresh.example
stop_connmgr || :
unlock

# Any server, as before version 0.2.
WITH="any: "
RESOLVER='' BACKEND=iptables start_connmgr --resolver 198.18.100.53 --dns-servers any
wait_for 20 "${WITH}locked" log_has 'locked in '
check "${WITH}status says it" shows 'name servers: any;'
check "${WITH}a user's own server counts" as_user /run/labtool resolve 198.18.100.58 n5003.fresh.example
wait_for 5 "${WITH}it opens the address" connects 198.19.19.139:80
