#!/bin/sh
# The real dhcpcd with its own hook, which writes the servers of both links into resolv.conf: with --resolv-conf auto those of the link in
# use alone are asked, after a pulled cable too, and dhcpcd's text is back when the daemon has ended.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/resolvers.sh"

RESOLVER=
need_packages # none: a copy of /etc
need_programs dhcpcd
lab_up
for link in eth0 wlan0 wwan0; do serve_names "$link"; done
for link in eth0 wlan0; do unconfigure "$link"; done
mkdir -p /run/dhcpcd /var/lib/dhcpcd
mount -t tmpfs tmpfs /var/lib/dhcpcd
printf 'options timeout:1 attempts:2\n' >/etc/resolv.conf
printf 'option domain_name_servers\ninterface eth0\nmetric 10\ninterface wlan0\nmetric 20\n' >"$LAB/dhcpcd.conf"
on device dhcpcd -4 -A -L -B -f "$LAB/dhcpcd.conf" -C hostname eth0 wlan0 >"$LAB/dhcpcd.log" 2>&1 &
names() { [ "$(sed -n 's/^nameserver //p' /etc/resolv.conf | paste -s -d ' ' -)" = "$*" ]; }
both() { names 198.18.1.1 198.18.2.1 || names 198.18.2.1 198.18.1.1; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
wait_for 30 "dhcpcd writes the servers of both links" both

start_connmgr --resolv-conf auto
wait_for 10 "eth0 is in use" in_use eth0
wait_for 15 "its server alone is written" names 198.18.1.1
check "and asked" asks eth0
wait_for 10 "both links are confirmed" confirmed
unplug eth0
wait_for 5 "eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 15 "its server alone is written" names 198.18.2.1
check "and asked: names resolve" asks wlan0
plug eth0
wait_for 40 "eth0 is back, by dhcpcd" in_use eth0
wait_for 15 "its server alone is written again" names 198.18.1.1
stays 3 "and stays so" names 198.18.1.1
stop_connmgr || :
check "at the end the servers of both links are back" both
