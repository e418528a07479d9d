#!/bin/sh
# The real openresolv and Debian's resolvconf, beside the machine's own files: with --resolv-conf auto resolv.conf has the server of
# the link in use alone, or first, names resolve after a switch, and the records are as before when the daemon has ended.
# takes 60 s
. "$(dirname "$0")/lib.sh"

for package in openresolv resolvconf; do
    if [ ! -x "$REPO/artifacts/lab/$package/sbin/resolvconf" ]; then # tests/prerequisites.sh unpacks it
        skip "$package is not unpacked: make setup"
        exit 0
    fi
done
RESOLVER=
lab_up
cp -a /etc "$LAB/etc.copy"
mount --bind "$LAB/etc.copy" /etc
mount -t tmpfs tmpfs /mnt

# has PACKAGE: its files are there, and no other package's.
has() {
    ! mountpoint -q /usr/sbin || umount -l /usr/sbin /usr/lib
    rm -rf /etc/resolv.conf /etc/resolvconf /etc/resolvconf.conf /run/resolvconf "/mnt/${1:?}"
    cp -a "$REPO/artifacts/lab/$1/etc/." /etc
    printf 'hosts: files dns\n' >/etc/nsswitch.conf
    mkdir -p "/mnt/$1/work.lib" "/mnt/$1/work.sbin"
    cp -a "$REPO/artifacts/lab/$1/lib" "$REPO/artifacts/lab/$1/sbin" "/mnt/${1:?}"
    mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=/mnt/$1/sbin,workdir=/mnt/$1/work.sbin" /usr/sbin
    mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=/mnt/$1/lib,workdir=/mnt/$1/work.lib" /usr/lib
}
for link in eth0 wlan0; do
    near=$(subnet_of "$link").1
    nsenter --net="/run/netns/$(router_of "$link")" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= \
        --pid-file= --no-resolv --no-hosts --bind-interfaces --listen-address="$near" --server=198.18.100.53 --cache-size=0 \
        --log-facility="$LAB/dns.$link" >"$LAB/dns.$link.out" 2>&1 &
    poll 10 grep -q started "$LAB/dns.$link"
done
resolves() { on device timeout 6 getent ahostsv4 echo.example >"$LAB/last"; }
names() { [ "$(sed -n 's/^nameserver //p' /etc/resolv.conf | tr '\n' ' ')" = "$* " ]; }
runs() { grep -cE '^<[0-7]> ?resolv_conf.sh: ' "$LAB/connmgr.log" || :; }
# As the hooks of DHCP clients do it.
lease() { printf '%s\n' "$2" | on device resolvconf -a "$1.dhclient"; }

# plays PACKAGE OTHERS: OTHERS is not empty if the servers of the other links follow.
plays() {
    others=$2
    only() { if [ -n "$others" ]; then names "$@"; else names "$1"; fi; }
    lease eth0 "search lan.example
nameserver 198.18.1.1"
    lease wlan0 'nameserver 198.18.2.1'
    check "$1 has the servers of both links" names 198.18.1.1 198.18.2.1

    start_connmgr --resolv-conf auto
    wait_for 10 "$1: eth0 is in use" in_use eth0
    wait_for 30 "$1: its server is asked" only 198.18.1.1 198.18.2.1
    check "$1: its search list is kept" grep -qx 'search lan.example' /etc/resolv.conf
    unplug eth0
    wait_for 5 "$1: eth0 pulled, wlan0 is in use" in_use wlan0
    wait_for 30 "$1: wlan0's server is asked" only 198.18.2.1 198.18.1.1
    check "$1: names resolve" resolves
    # A renewal with another server, and nothing else: neither an address nor resolv.conf changes.
    lease wlan0 'nameserver 198.18.100.53'
    wait_for 10 "$1: the lease has another server, it is asked" only 198.18.100.53 198.18.1.1
    check "$1: names resolve" resolves
    before=$(runs)
    stays 5 "$1: then nothing changes" only 198.18.100.53 198.18.1.1
    check "$1: the script does not run in a loop" test "$(runs)" -le $((before + 2))
    stop_connmgr || :
    check "$1: the records of both links are as before" names 198.18.1.1 198.18.100.53
    check "$1: ours is gone" not grep -r . /run/resolvconf/interfaces/connmgr /run/resolvconf/interface/lo.connmgr
    plug eth0
    poll 10 in_use eth0 || configure eth0
}
has openresolv
plays openresolv ''
has resolvconf
# As its boot script does.
mkdir -p /run/resolvconf/interface
ln -s /run/resolvconf /etc/resolvconf/run
ln -s /etc/resolvconf/run/resolv.conf /etc/resolv.conf
on device resolvconf --enable-updates
plays resolvconf others
