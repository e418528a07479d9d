#!/bin/sh
# The real systemd-resolved, first with servers that other programs have told it, then with the real systemd-networkd and its host
# routes to name servers: without --resolv-conf all links are asked; with it only the link in use, also after its silent death, and
# as before when the daemon has ended or was killed.
# takes 80 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/resolvers.sh"

RESOLVER=
ctl() { on device resolvectl "$@"; }
need_packages systemd-resolved
networkd=/usr/lib/systemd/systemd-networkd resolved=/usr/lib/systemd/systemd-resolved
need_programs dbus-daemon resolvectl "$resolved" "$networkd"
lab_up
# What the unit leaves the daemon, and so resolvectl: two capabilities.
printf '#!/bin/sh\nexec setpriv --no-new-privs --bounding-set -all,+net_admin,+net_raw %s "$@"\n' "$(connmgr_path)" >"$LAB/connmgr-of-the-unit"
chmod +x "$LAB/connmgr-of-the-unit"
CONNMGR=$LAB/connmgr-of-the-unit
for link in eth0 wlan0 wwan0; do serve_names "$link" --dhcp-option=6,0.0.0.0,198.18.100.53; done
need_user systemd-resolve 982
need_user systemd-network 983
bus_up
mkdir -p /run/systemd/resolve
chown systemd-resolve: /run/systemd/resolve
mkdir -p /etc/systemd
printf '[Resolve]\nDNS=\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nCache=no\n' >/etc/systemd/resolved.conf
nsenter --net=/run/netns/device env SYSTEMD_LOG_TARGET=console "$resolved" >"$LAB/resolved.log" 2>&1 &
poll 10 ctl status
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
flags() { ctl default-route | sed -n 's/^Link [0-9]* (\([a-z0-9]*\)): \(.*\)/\1=\2/p' | grep -E '^(eth0|wlan0|wwan0)=' | sort | paste -s -d ' ' -; }
flags_are() { [ "$(flags)" = "$*" ]; }
shows() { ask status | tr -s ' \n' '  ' | grep -E "$1"; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
runs() { grep -cE '^<[0-7]> ?resolv_conf.sh: ' "$LAB/connmgr.log" || :; }

# plays WITH: with or without networkd.
plays() {
    wait_for 10 "$1: all links are asked" asks_all eth0 wlan0 wwan0
    start_connmgr
    wait_for 10 "$1, off: both links are confirmed" confirmed
    wait_for 10 "$1, off: the log warns" log_has '^<4> ?the name server .*198\.18\.2\.1 is asked over wlan0, not over eth0'
    check "$1, off: so does status" shows 'resolver .*198\.18\.2\.1 is asked over wlan0, not over eth0'
    check "$1, off: nothing is changed" flags_are eth0=yes wlan0=yes wwan0=yes
    stop_connmgr || :

    start_connmgr --resolv-conf auto
    wait_for 10 "$1: eth0 is in use" in_use eth0
    wait_for 15 "$1: its server alone is asked" asks eth0
    wait_for 10 "$1: both links are confirmed" confirmed
    wait_for 10 "$1: status says it" shows 'resolver .*systemd-resolved: asks eth0 alone'
    check "$1: without a warning" not shows 'is asked over'
    names_dead eth0
    wait_for 25 "$1: eth0 dies silently, wlan0 is in use" in_use wlan0
    wait_for 15 "$1: its server alone is asked, and names resolve" asks wlan0
    before=$(runs)
    stays 5 "$1: then nothing changes" flags_are eth0=no wlan0=yes wwan0=no
    check "$1: the script does not run in a loop" test "$(runs)" -le $((before + 2))
}

# -- without networkd ----------------------------------------------------------------------------------------------------
for link in eth0 wlan0 wwan0; do ctl dns "$link" "$(subnet_of "$link").1"; done
plays "resolved"
names_alive eth0
wait_for 40 "resolved: eth0 is back" in_use eth0
wait_for 15 "resolved: its server alone is asked again" asks eth0
unplug eth0
wait_for 5 "resolved: eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 15 "resolved: its server alone is asked" asks wlan0
plug eth0
stop_connmgr || :
check "resolved: at the end all links are as before" flags_are eth0=yes wlan0=yes wwan0=yes
start_connmgr --resolv-conf auto
wait_for 15 "resolved: killed while eth0 alone is asked" asks eth0
kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>"$LAB/last" || :
check "resolved: what it has set stays" flags_are eth0=yes wlan0=no wwan0=no
start_connmgr
wait_for 10 "resolved: the next start without the option restores it" flags_are eth0=yes wlan0=yes wwan0=yes
stop_connmgr || :

# -- with networkd ---------------------------------------------------------------------------------------------------------
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network: /run/systemd/netif
for link in eth0 wlan0; do
    ctl revert "$link"
    unconfigure "$link"
    printf '[Match]\nName=%s\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n[DHCPv4]\nRouteMetric=%s\n' \
        "$link" "$(metric_of "$link")" >"/run/systemd/network/10-$link.network"
done
# With a read-only /sys it waits for no udev.
nsenter --net=/run/netns/device unshare --mount env SYSTEMD_LOG_TARGET=console \
    sh -c "mount --bind /sys /sys; mount -o remount,ro,bind /sys; exec $networkd" >"$LAB/networkd.log" 2>&1 &
leased() { ctl dns "$1" | grep -q "$(subnet_of "$1").1"; }
for link in eth0 wlan0; do wait_for 20 "networkd: $link has a lease, and resolved its servers" leased "$link"; done
routes_to() { ip -n device route show 198.18.100.53; }
has_routes() { routes_to | grep -q 'dev eth0 proto dhcp' && routes_to | grep -q 'dev wlan0 proto dhcp'; }
wait_for 10 "networkd: a host route to the common server over each link" has_routes
plays "networkd"
goes_over() { on device ip route get 198.18.100.53 | grep -q " dev $1 "; }
wait_for 5 "networkd: the common server is asked over wlan0, past networkd's host route over eth0" goes_over wlan0
check "networkd: its own host routes stay" has_routes
names_alive eth0
wait_for 40 "networkd: eth0 is back" in_use eth0
wait_for 5 "networkd: the common server is asked over eth0" goes_over eth0
wait_for 15 "networkd: eth0's server alone is asked" asks eth0
stop_connmgr || :
check "networkd: at the end all links are as before" flags_are eth0=yes wlan0=yes wwan0=yes
check "networkd: no host route of ours is left" not grep -q 'proto 175' <<ROUTES
$(routes_to)
ROUTES
