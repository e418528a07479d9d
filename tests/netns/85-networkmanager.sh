#!/bin/sh
# The real NetworkManager with its own DHCP client, its dispatcher and the script of docs/operations.md: the resolver has the server
# of the link in use after a pulled cable and a silent death, and what was in resolv.conf when the daemon has ended. Without dns=none,
# its link is left alone.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/resolvers.sh"

RESOLVER=
need_packages network-manager libnm0 libndp0
dispatcher=/usr/lib/NetworkManager/nm-dispatcher
need_programs dbus-daemon NetworkManager "$dispatcher"
lab_up
for link in eth0 wlan0 wwan0; do serve_names "$link"; done
mkdir -p "$LAB/nm/keys" "$LAB/nm/conf.d" /var/lib/NetworkManager
mount -t tmpfs tmpfs /var/lib/NetworkManager
for link in eth0 wlan0; do
    unconfigure "$link"
    cat >"$LAB/nm/keys/$link.nmconnection" <<NM
[connection]
id=$link
type=ethernet
interface-name=$link
[ipv4]
method=auto
route-metric=$(metric_of "$link")
[ipv6]
method=disabled
NM
    chmod 600 "$LAB/nm/keys/$link.nmconnection"
done
# configuration DNS-LINE: as shipped otherwise.
configuration() {
    printf '[main]\nplugins=keyfile\n%s\n[keyfile]\npath=%s\nunmanaged-devices=interface-name:wwan0\n[device]\nmatch-device=type:veth\nmanaged=1\n' \
        "$1" "$LAB/nm/keys" >"$LAB/nm/NetworkManager.conf"
}
awk '/^The dispatcher script for NetworkManager/ { found = 1 } found && /^```/ { n++; next } found && n == 1' "$REPO/docs/operations.md" |
    sed "s|/run/connmgr|$LAB/run|g" >"$LAB/50-connmgr"
check "the dispatcher script of the documentation is there" grep -q IP4_NAMESERVERS "$LAB/50-connmgr"
rm -rf /etc/NetworkManager/dispatcher.d
install -D -m 755 "$LAB/50-connmgr" /etc/NetworkManager/dispatcher.d/50-connmgr
bus_up
on device "$dispatcher" --persist >"$LAB/dispatcher.log" 2>&1 &
manager() {
    configuration "$1"
    # ip mounts the /sys of the device. If it can be written, NetworkManager waits for udev, which the lab does not have.
    # shellcheck disable=SC2016 # the inner shell's
    ip netns exec device sh -c 'mount -o remount,ro,bind /sys; exec NetworkManager --debug --config="$1/NetworkManager.conf" \
        --config-dir="$1/conf.d"' sh "$LAB/nm" >"$LAB/manager.log" 2>&1 &
    MANAGER=$!
}
told() { [ -s "$LAB/run/resolv/$1" ]; }
names() { [ "$(sed -n 's/^nameserver //p' /etc/resolv.conf | tr '\n' ' ')" = "$* " ]; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }

# -- as the documentation says ------------------------------------------------------------------------------------------
printf '# made by hand\noptions timeout:1 attempts:2\n' >/etc/resolv.conf
cp /etc/resolv.conf "$LAB/original"
manager dns=none
for link in eth0 wlan0; do wait_for 30 "the dispatcher tells the servers of $link" told "$link"; done
start_connmgr --resolv-conf auto
wait_for 10 "eth0 is in use" in_use eth0
wait_for 15 "its server is written" names 198.18.1.1
check "and asked" asks eth0
wait_for 10 "both links are confirmed" confirmed
unplug eth0
wait_for 5 "eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 15 "its server is written" names 198.18.2.1
check "and asked: names resolve" asks wlan0
plug eth0
wait_for 60 "eth0 is back, by NetworkManager's own client" in_use eth0
wait_for 15 "its server is asked again" asks eth0
names_dead eth0
wait_for 25 "eth0 dies silently, wlan0 is in use" in_use wlan0
wait_for 15 "its server is asked" asks wlan0
stays 3 "NetworkManager leaves the file alone" names 198.18.2.1
stop_connmgr || :
check "at the end resolv.conf is as before" cmp "$LAB/original" /etc/resolv.conf
names_alive eth0
kill "$MANAGER"
wait "$MANAGER" 2>"$LAB/last" || :

# -- without dns=none -------------------------------------------------------------------------------------------------
ln -sf ../run/NetworkManager/resolv.conf /etc/resolv.conf
manager rc-manager=symlink
its_own() { [ -L /etc/resolv.conf ] && grep -q '^nameserver 198.18' /etc/resolv.conf; }
wait_for 30 "NetworkManager writes its own file" its_own
start_connmgr --resolv-conf auto
wait_for 10 "eth0 is in use" in_use eth0
wait_for 10 "the link to it is left alone, and said" log_has 'nothing: /etc/resolv.conf is a link to a file of NetworkManager'
wait_for 20 "a server over another link than the one in use is said" log_has '^<4> ?the name server 198\.18\.[23]\.1 is asked over '
stop_connmgr || :
check "it is still NetworkManager's" its_own
