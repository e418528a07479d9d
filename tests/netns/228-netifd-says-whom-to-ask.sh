#!/bin/sh
# OpenWrt: resolv.conf names dnsmasq on this host, the gateways serve no DNS, and the sections of
# resolv.conf.auto have the names of netifd's networks. netifd knows which device a network is on. Its answers
# are recordings (tests/ConnMgr.Tests/Data/openwrt).
# takes 15 s
. "$(dirname "$0")/lib.sh"

RESOLVER=
recording=$REPO/tests/ConnMgr.Tests/Data/openwrt/dhcp-with-metrics
auto=/tmp/resolv.conf.d/resolv.conf.auto
# In the recording the name server is 198.18.0.53; the lab's has another address.
answer() {
    sed "s/198\.18\.0\.53/$1/" "$recording.ubus-dump.json" >"$LAB/dump.new"
    mv "$LAB/dump.new" "$LAB/dump"
}
confirmed() { state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }
failed() { state eth0 ITFUP_SF && state wlan0 ITFUP_SF; }
asked() { [ "$(grep -c . "$LAB/asked")" -ge "$1" ]; }

lab_up
echo "nameserver 127.0.0.1" >"$LAB/resolv.conf"
mkdir -p "$LAB/bin"
cat >"$LAB/bin/ubus" <<STUB
#!/bin/sh
echo "\$*" >>"$LAB/asked"
cat "$LAB/dump" 2>/dev/null || { echo "Command failed: Not found" >&2; exit 4; }
STUB
chmod +x "$LAB/bin/ubus"
: >"$LAB/asked"

# At boot there is no netifd and no name server yet.
path=$PATH
PATH=$LAB/bin:$path
start_connmgr --no-ping
PATH=$path
wait_for 10 "without a name server no link is confirmed" failed
check "netifd is asked as ubus(1) does it" grep -qx 'call network.interface dump' "$LAB/asked"
answer 198.18.100.53
ip -n device address add 198.18.1.98/32 dev eth0
wait_for 4 "netifd comes, and says whom to ask: both links are confirmed at once" confirmed
check "by netifd's word" log_has 'netifd: .*"wan" is eth0, name servers 198\.18\.100\.53'
count=$(grep -c . "$LAB/asked")
for address in 101 102 103 104 105 106 107 108 109; do
    ip -n device address add "198.18.1.$address/32" dev eth0
done
wait_for 5 "it is asked again after changes" asked $((count + 1))
check "but not after each" test "$(grep -c . "$LAB/asked")" -le $((count + 4))

# An invalid answer changes nothing.
head -c 1000 "$LAB/dump" >"$LAB/dump.new" && mv "$LAB/dump.new" "$LAB/dump"
ip -n device address add 198.18.1.110/32 dev eth0
wait_for 5 "half an answer is ignored, and said" log_has 'netifd: its answer is not a list of networks, ignoring'
check "the links stay confirmed" confirmed
stop_connmgr

# Without ubus, servers of networks that may be on any link are asked last. At boot the file appears late. The
# links answer ping: without a name server they would be probed again after 16 s.
rm -f "$LAB/bin/ubus" "$auto"
start_connmgr
unconfirmed() {
    [ "$(grep -cE '^<7> ?probe of (eth0|wlan0): ping answered' "$LAB/connmgr.log")" -ge 2 ] && ! confirmed
}
wait_for 10 "without the file both links answer ping alone" unconfirmed
sed 's/198\.18\.0\.53/198.18.100.53/' "$recording.resolv.conf.auto" >"$auto"
wait_for 7 "the file comes: both links are confirmed within three ticks" confirmed
check "since they have other name servers" log_has 'probe of eth0: started: has other name servers'
