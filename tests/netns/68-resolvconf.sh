#!/bin/sh
# The real openresolv, beside the machine's own files: with --resolv-conf auto its resolv.conf has the server of the link in use
# alone, names resolve after a switch, and its records are as before when the daemon has ended.
# takes 30 s
. "$(dirname "$0")/lib.sh"

package=$REPO/artifacts/lab/openresolv # tests/prerequisites.sh unpacks it
if [ ! -x "$package/sbin/resolvconf" ]; then
    skip "openresolv is not unpacked: make setup"
    exit 0
fi
RESOLVER=
lab_up
cp -a /etc "$LAB/etc.copy"
mount --bind "$LAB/etc.copy" /etc
rm -rf /etc/resolv.conf /etc/resolvconf
cp -a "$package/etc/." /etc
printf 'hosts: files dns\n' >/etc/nsswitch.conf
mount -t tmpfs tmpfs /mnt
mkdir /mnt/work.lib /mnt/work.sbin
cp -a "$package/lib" "$package/sbin" /mnt
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/mnt/sbin,workdir=/mnt/work.sbin /usr/sbin
mount -t overlay overlay -o lowerdir=/usr/lib,upperdir=/mnt/lib,workdir=/mnt/work.lib /usr/lib

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
printf 'search lan.example\nnameserver 198.18.1.1\n' | on device resolvconf -a eth0.dhclient
printf 'nameserver 198.18.2.1\n' | on device resolvconf -a wlan0.dhclient
check "openresolv has the servers of both links" names 198.18.1.1 198.18.2.1

start_connmgr --resolv-conf auto
wait_for 10 "eth0 is in use" in_use eth0
wait_for 30 "its server alone is asked" names 198.18.1.1
check "its search list is kept" grep -qx 'search lan.example' /etc/resolv.conf
unplug eth0
wait_for 5 "eth0 pulled: wlan0 is in use" in_use wlan0
wait_for 30 "wlan0's server alone is asked" names 198.18.2.1
check "names resolve" resolves
# A renewal with another server, and nothing else: neither an address nor resolv.conf changes.
printf 'nameserver 198.18.100.53\n' | on device resolvconf -a wlan0.dhclient
wait_for 10 "the lease has another server: it is asked" names 198.18.100.53
check "names resolve" resolves
before=$(runs)
stays 5 "then nothing changes" names 198.18.100.53
check "the script does not run in a loop" test "$(runs)" -le $((before + 2))
stop_connmgr || :
check "the records of both links are as before" names 198.18.1.1 198.18.100.53
check "ours is gone" not grep -r . /run/resolvconf/interfaces/connmgr
