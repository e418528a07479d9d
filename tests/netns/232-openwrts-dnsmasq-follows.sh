#!/bin/sh
# OpenWrt's form of --resolv-conf: a real dnsmasq of another user that reads a file of ours instead of netifd's resolv.conf.auto, and
# the networks of netifd, whose answer is a recording with the lab's servers. The device's own programs and a host of the LAN are
# answered by the server of the link in use, after a pulled cable, a silent death, another lease and the end of the daemon.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/resolvers.sh"

RESOLVER=
recording=$REPO/tests/ConnMgr.Tests/Data/openwrt/dhcp-with-metrics.ubus-dump.json
# netifd_says ADDRESS: the server of eth0; the other links' are their routers.
netifd_says() {
    /usr/bin/python3 - "$recording" "$1" >"$LAB/dump.new" <<'PYTHON'
import json, sys
dump = json.load(open(sys.argv[1]))
servers = {"eth0": sys.argv[2], "wlan0": "198.18.2.1", "wwan0": "198.18.3.1"}
for network in dump["interface"]:
    if network.get("l3_device") in servers:
        network["dns-server"] = [servers[network["l3_device"]]]
print(json.dumps(dump, indent=1))
PYTHON
    mv "$LAB/dump.new" "$LAB/dump"
    # As netifd does: all networks, always.
    printf '# Interface %s\nnameserver %s\n' wan "$1" wwan 198.18.2.1 modem 198.18.3.1 >/tmp/resolv.conf.d/resolv.conf.auto
}
need_packages # none: a copy of /etc
lab_up
for link in eth0 wlan0 wwan0; do serve_names "$link"; done
mkdir -p "$LAB/bin"
printf '#!/bin/sh\ncat "%s/dump"\n' "$LAB" >"$LAB/bin/ubus"
chmod +x "$LAB/bin/ubus"
netifd_says 198.18.1.1
printf 'search lan\nnameserver 127.0.0.1\n' >/etc/resolv.conf
file=/tmp/resolv.conf.d/connmgr.conf
# As its init script starts it, with resolvfile= and localuse=1 of the recipe.
ip -n device link add br-lan type bridge
ip -n device address add 198.18.9.1/24 dev br-lan
ip -n device link set br-lan up
on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=nobody --no-hosts --pid-file= --bind-dynamic \
    --resolv-file="$file" --domain-needed --localise-queries --no-negcache --cache-size=0 --domain=lan >"$LAB/local.out" 2>&1 &
start() {
    lab_path=$PATH
    PATH=$LAB/bin:$PATH
    start_connmgr --resolv-conf "$file"
    PATH=$lab_path
}
has() { [ "$(sed -n 's/^nameserver //p' "$file" | paste -s -d ' ' -)" = "$*" ]; }
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
lan_asks() {
    lab_fresh=$((lab_fresh + 1))
    on device "$LABTOOL" resolve 198.18.9.1 "lan$lab_fresh.fresh.example" && asked_at "lan$lab_fresh.fresh.example" "$1"
}

start
wait_for 10 "eth0 is in use" in_use eth0
wait_for 10 "its server alone is in our file" has 198.18.1.1
wait_for 10 "the device asks it alone" asks eth0
wait_for 10 "so does a host of the LAN" lan_asks eth0
check "netifd's own file is left alone" grep -q 198.18.3.1 /tmp/resolv.conf.d/resolv.conf.auto
wait_for 10 "both links are confirmed" confirmed
unplug eth0
wait_for 5 "eth0 pulled, wlan0 is in use" in_use wlan0
wait_for 10 "wlan0's server alone is asked" asks wlan0
plug eth0
wait_for 40 "eth0 is back" in_use eth0
wait_for 10 "its server alone is asked" asks eth0
names_dead eth0
wait_for 25 "eth0 dies silently, wlan0 is in use" in_use wlan0
wait_for 10 "wlan0's server alone is asked, and names resolve" asks wlan0
wait_for 10 "so does a host of the LAN" lan_asks wlan0
names_alive eth0
wait_for 40 "eth0 is alive again" in_use eth0
on r-eth ip address add 198.18.1.8/24 dev lan
netifd_says 198.18.1.8
ip -n device address add 198.18.1.98/32 dev eth0 # as a lease does
wait_for 10 "another lease of eth0 has another server" has 198.18.1.8
stop_connmgr || :
check "the end leaves no server of ours" not grep -qs . "$file"
