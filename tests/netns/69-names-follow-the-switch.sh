#!/bin/sh
# The resolver follows the switch: a plain resolv.conf that the real dhclient writes for two links, or BusyBox's udhcpc by the recipe
# of docs/operations.md, dnsmasq with a file of its own, and a host route to a name server over a dead link. Without --resolv-conf,
# log and status say what is wrong.
# takes 95 s
. "$(dirname "$0")/lib.sh"

RESOLVER=
lab_up
# Writes to /etc go to a copy.
cp -a /etc "$LAB/etc.copy"
mount --bind "$LAB/etc.copy" /etc
rm -f /etc/resolv.conf /etc/resolv.conf.connmgr
mount -t tmpfs tmpfs /var/lib/dhcp
printf 'hosts: files dns\n' >/etc/nsswitch.conf

# Each link's router is its DHCP server, and the name server that it names. The provider's server answers on its own link alone.
for link in eth0 wlan0 wwan0; do
    near=$(subnet_of "$link").1
    nsenter --net="/run/netns/$(router_of "$link")" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= \
        --pid-file= --no-resolv --no-hosts --bind-interfaces --listen-address="$near" --server=198.18.100.53 --no-negcache \
        --cache-size=0 --dhcp-range="${near%.1}.50,${near%.1}.60,10m" --dhcp-authoritative --dhcp-leasefile="$LAB/leases.$link" \
        --log-queries --log-facility="$LAB/dns.$link" >"$LAB/dns.$link.out" 2>&1 &
    poll 10 grep -q started "$LAB/dns.$link"
done
# names_dead LINK: nothing behind the router, and its name server, answers.
names_dead() {
    upstream_dead "$1"
    rule "$1" -A INPUT -p udp --dport 53 -j DROP
}
names_alive() {
    upstream_alive "$1"
    rule "$1" -F INPUT
}
# leases LINK: the real client of Debian, with its own script.
leases() {
    unconfigure "$1"
    on device dhclient -1 -4 -e "IF_METRIC=$(metric_of "$1")" -lf "/var/lib/dhcp/dhclient.$1.leases" -pf "$LAB/dhclient.$1.pid" "$1" >"$LAB/dhclient.$1.out" 2>&1
}
resolves() { on device timeout 4 getent ahostsv4 echo.example >"$LAB/last"; }
# names ADDRESS...: true if the resolver has these servers.
names() { [ "$(sed -n 's/^nameserver //p' "${FILE:-/etc/resolv.conf}" | tr '\n' ' ')" = "$* " ]; }
shows() { ask status | tr -s ' \n' '  ' | grep -E "$1"; }
writes() { grep -cE '^<[0-7]> ?resolv_conf.sh: ' "$LAB/connmgr.log" || :; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
# ends: waits until the daemon has ended.
ends() { stop_connmgr || :; }

printf '# made by hand\noptions timeout:1 attempts:1\n' >/etc/resolv.conf
leases eth0
leases wlan0
check "dhclient: the last client's name server stays" names 198.18.2.1

# -- without the option -------------------------------------------------------------------------------------------
start_connmgr
wait_for 10 "off: both links are confirmed" confirmed
wait_for 5 "off: eth0 is in use" in_use eth0
wait_for 10 "off: the log warns" log_has '^<4> ?the name server 198\.18\.2\.1 is asked over wlan0, not over eth0'
check "off: so does status" shows 'resolver the name server 198\.18\.2\.1 is asked over wlan0, not over eth0'
check "off: the JSON agrees with its schema" status_is_valid
check "off: it has the server and the warning" grep -q '"resolver":{"servers":\["198.18.2.1"\],"words":null,"warning":"the name' "$LAB/status.json"
printf 'nameserver 198.18.1.1\n' >/etc/resolv.conf
wait_for 10 "off: another server, and the warning ends" log_has 'the name servers are asked over the link in use again'
ip -n device route add unreachable 198.18.100.55
printf 'nameserver 198.18.100.55\nnameserver 198.18.1.1\n' >/etc/resolv.conf
wait_for 10 "off: a server that cannot be reached" log_has '^<4> ?the name server 198\.18\.100\.55 cannot be reached'
check "off: nothing is written" names 198.18.100.55 198.18.1.1
ip -n device route delete unreachable 198.18.100.55

# -- a host route to a name server, as networkd makes them ----------------------------------------------------------
printf 'nameserver 198.18.100.53\n' >/etc/resolv.conf
ip -n device route add 198.18.100.53 via 198.18.1.1 dev eth0 proto dhcp metric 1024
goes_over() { on device ip route get 198.18.100.53 | grep -q " dev $1 "; }
names_dead eth0
wait_for 25 "a host route: eth0 dies, wlan0 is in use" in_use wlan0
wait_for 5 "a host route: the name server is asked over wlan0" goes_over wlan0
check "a host route: names resolve" resolves
check "a host route: the other program's own stays" grep -q 'via 198.18.1.1 dev eth0 proto dhcp .*metric 1024' <<END
$(on device ip route show 198.18.100.53)
END
names_alive eth0
wait_for 40 "a host route: eth0 is back" in_use eth0
own() { on device ip route show 198.18.100.53 | grep -q 'proto 175'; }
wait_for 5 "a host route: ours is gone" not own
ip -n device route add 198.18.100.53 via 198.18.2.1 dev wlan0 metric 5
wait_for 10 "a host route over a link that works is left alone, and said" shows '198\.18\.100\.53 is asked over wlan0'
check "a host route: the kernel uses it" goes_over wlan0
ip -n device route delete 198.18.100.53 via 198.18.2.1
ip -n device route delete 198.18.100.53
ends

# -- plain resolv.conf ----------------------------------------------------------------------------------------------
printf '# made by hand\nsearch example\nnameserver 198.18.2.1\noptions timeout:1 attempts:1' >/etc/resolv.conf
cp /etc/resolv.conf "$LAB/original"
start_connmgr --resolv-conf auto
wait_for 10 "plain: eth0 is in use" in_use eth0
wait_for 15 "plain: the resolver has its name server" names 198.18.1.1
check "plain: comment, search and options are kept" test "$(grep -c '^# made by hand$\|^search example$\|^options timeout:1 attempts:1$' /etc/resolv.conf)" = 3
check "plain: every user may read it" test "$(stat -c %a /etc/resolv.conf)" = 644
wait_for 10 "plain: both links are confirmed" confirmed
unplug eth0
wait_for 5 "plain: eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 15 "plain: the resolver has wlan0's server" names 198.18.2.1
check "plain: names resolve" resolves
before=$(writes)
plug eth0
wait_for 40 "plain: eth0 is back" in_use eth0
wait_for 15 "plain: with its server" names 198.18.1.1
# The same lease again: dhclient writes the file.
leases wlan0
wait_for 20 "plain: what dhclient has written is put right" names 198.18.1.1
after=$(writes)
stays 5 "plain: then the file stays" names 198.18.1.1
check "plain: our own writing does not start the script in a loop: $((after - before)) runs" test "$(writes)" -le $((after + 2))
check "plain: status says it" shows 'resolver .*/etc/resolv\.conf: 198\.18\.1\.1, of eth0'
check "plain: the JSON agrees with its schema" status_is_valid
ends
check "plain: the original is back" grep -q '^nameserver 198.18.2.1' /etc/resolv.conf

# -- the same with BusyBox's client, whose script has the line of docs/operations.md -----------------------------------------
# shellcheck disable=SC2016 # the text of the page
recipe=$(sed -n 's/^| BusyBox with udhcpc .*at bound and renew, `\(.*\)` |$/\1/p' "$REPO/docs/operations.md")
check "udhcpc: the recipe is there" test -n "$recipe"
{
    cat "$NETNS_DIR/udhcpc.sh"
    # shellcheck disable=SC2016 # for the script
    printf 'case $1 in bound | renew)\n%s ;;\nesac\n' "$recipe" | sed "s|/var/run/connmgr|$LAB/run|g"
} >"$LAB/udhcpc.script"
chmod +x "$LAB/udhcpc.script"
rm -f /var/lib/dhcp/*
for link in eth0 wlan0; do
    unconfigure "$link"
    on device env METRIC="$(metric_of "$link")" busybox udhcpc -n -q -i "$link" -t 5 -T 1 -s "$LAB/udhcpc.script" >"$LAB/last" 2>&1
done
start_connmgr --resolv-conf auto
wait_for 10 "udhcpc: eth0 is in use" in_use eth0
wait_for 15 "udhcpc: the resolver has its name server" names 198.18.1.1
wait_for 10 "udhcpc: both links are confirmed" confirmed
unplug eth0
wait_for 5 "udhcpc: eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 15 "udhcpc: the resolver has wlan0's server" names 198.18.2.1
check "udhcpc: names resolve" resolves
plug eth0
ends
rm -rf "$LAB/run/resolv"
leases eth0
leases wlan0

# A file mounted on it is written in place; on a read-only file system the message says what to do.
cp "$LAB/original" /etc/resolv.conf
: >"$LAB/mounted"
cat "$LAB/original" >"$LAB/mounted"
mount --bind "$LAB/mounted" /etc/resolv.conf
start_connmgr --resolv-conf auto
wait_for 10 "mounted: written in place" names 198.18.1.1
ends
check "mounted: restored" cmp "$LAB/original" /etc/resolv.conf
mount -o remount,ro,bind /etc/resolv.conf
start_connmgr --resolv-conf auto
wait_for 10 "read-only: the log says so" log_has '^<4> ?resolv_conf.sh: .*cannot write /etc/resolv.conf: .*read-only'
check "read-only: metrics count it" metrics_have '^connmgr_warnings_total\{kind="route"\} [1-9]'
check "read-only: once" test "$(grep -c '^<4> \{0,1\}resolv_conf.sh' "$LAB/connmgr.log")" = 1
ends
umount /etc/resolv.conf

# Links to another program's file.
mkdir -p /run/systemd/resolve /run/NetworkManager
for target in /run/NetworkManager/resolv.conf ../run/systemd/resolve/stub-resolv.conf; do
    ln -sf "$target" /etc/resolv.conf
    echo "nameserver 198.18.1.1" >"/run/${target#*run/}"
    start_connmgr --resolv-conf /etc/resolv.conf
    wait_for 10 "a link to $target is left alone" log_has 'nothing: /etc/resolv.conf is a link to a file of (NetworkManager|systemd-resolved)'
    ends
    check "it is still there" test "$(readlink /etc/resolv.conf)" = "$target"
done
rm -rf /etc/resolv.conf /run/systemd

# -- with the lockdown, the servers that may be asked are those that we write ---------------------------------------------
printf 'nameserver 198.18.2.1\noptions timeout:1 attempts:2\n' >/etc/resolv.conf
. "$NETNS_DIR/firewall.sh" # unlock
FIREWALL='' BACKEND=nft start_connmgr --resolv-conf auto
wait_for 20 "locked" log_has 'locked in '
wait_for 10 "locked: eth0 is in use" in_use eth0
wait_for 10 "locked: its server is written" names 198.18.1.1
wait_for 10 "locked: and may be asked" resolves
wait_for 10 "locked: both links are confirmed" confirmed
before=$(grep -cE ': started: has other name servers' "$LAB/connmgr.log" || :)
unplug eth0
wait_for 5 "locked: eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 20 "locked: wlan0's server is written" names 198.18.2.1
wait_for 10 "locked: names resolve" resolves
check "locked: what is written starts no probe" test "$(grep -cE ': started: has other name servers' "$LAB/connmgr.log" || :)" = "$before"
plug eth0
ends
unlock
rm -f /etc/resolv.conf

# -- dnsmasq, with a file of its own ----------------------------------------------------------------------------------
# scenario FILE OPTION: FILE is what we write, OPTION what dnsmasq reads it by.
scenario() {
    FILE=$1
    shift
    printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n' >/etc/resolv.conf
    : >"$FILE"
    mkdir -p /run/dnsmasq
    nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --no-hosts --cache-size=0 \
        --pid-file=/run/dnsmasq/dnsmasq.pid --bind-interfaces --listen-address=127.0.0.1 "$@" >"$LAB/local.out" 2>&1 &
    LOCAL=$!
    poll 10 test -s /run/dnsmasq/dnsmasq.pid
    start_connmgr --resolv-conf "$FILE"
    wait_for 10 "$FILE: eth0 is in use" in_use eth0
    wait_for 10 "$FILE: both links are confirmed" confirmed
    wait_for 5 "$FILE: names resolve" resolves
    unplug eth0
    wait_for 5 "$FILE: eth0 pulled, wlan0 is in use" in_use wlan0
    wait_for 20 "$FILE: it has wlan0's server" grep -qE '[r=]( |)198\.18\.2\.1$' "$FILE"
    wait_for 5 "$FILE: names resolve again" resolves
    plug eth0
    ends
    kill "$LOCAL"
    wait "$LOCAL" 2>"$LAB/last" || :
    unset FILE
}
mkdir -p /run/connmgr
shift $#
scenario /run/connmgr/upstream.conf --resolv-file=/run/connmgr/upstream.conf
scenario /run/connmgr/upstream.servers --no-resolv --servers-file=/run/connmgr/upstream.servers
