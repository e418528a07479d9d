#!/bin/sh
# run.sh: boots an emulated arm64 machine whose image is the drop-in, with three network cards that lead into the lab, pulls the
# cables by QEMU's monitor, and looks at what connmgr does there. Needs root, and ten minutes; called by make test-arm64-vm.
# shellcheck disable=SC2016 # expanded in the machine
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=${here%/tests/vm}
if [ -z "${LAB_SANDBOX:-}" ]; then
    LAB=$(mktemp -d "${TMPDIR:-/tmp}/connmgr-vm.XXXXXX")
    export LAB
    trap 'rm -rf "$LAB"' EXIT
    mkdir -p "$repo/artifacts/vm"
    # Two runs side by side share what was fetched; the image is each one's own.
    if ! flock "$repo/artifacts/vm" sh -c '"$1/image.sh" "$2" && cp "$2/kernel" "$2/initramfs" "$3"' sh "$here" "$repo/artifacts/vm" "$LAB"; then
        echo "not ok - there is an image"
        echo "0 passed, 1 failed"
        exit 1
    fi
    status=0
    "$repo/tests/netns/sandbox.sh" sh "$here/run.sh" >"$LAB/output" 2>&1 </dev/null &
    wait=$!
    tail -n +1 -f --pid=$wait "$LAB/output"
    wait "$wait" || status=$?
    echo "$(grep -c '^ok' "$LAB/output") passed, $(grep -c '^not ok' "$LAB/output") failed"
    exit "$status"
fi

export NETNS_DIR="$repo/tests/netns"
# shellcheck source=tests/netns/lib.sh
. "$NETNS_DIR/lib.sh"
# shellcheck source=tests/netns/names.sh
. "$NETNS_DIR/names.sh"

# guest LINE: runs it there.
guest() { /usr/bin/python3 "$here/console.py" "$LAB/console" 60 "$*"; }
# monitor COMMAND: of QEMU.
monitor() { /usr/bin/python3 "$here/monitor.py" "$LAB/monitor" "$*"; }
cable() { monitor "set_link nic-$1 $2"; }
guest_in_use() { default_is "$1" 0 "$(guest ip -4 route show default)" && default_is "$1" 1 "$(guest ip -6 route show default)"; }
guest_status() { guest 'connmgr status | cat' | grep -E -- "$1"; }
guest_log() { guest grep -cE "'$1'" /run/connmgr.log; }
vm_diagnose() { guest 'tail -n 20 /run/connmgr.log; cat /run/boot.log; ip route; cat /run/modprobe.log'; tail -n 5 "$LAB/console.log"; }

lab_up
names_up
# The links of the lab's device become the other ends of the machine's cards: a bridge of a card's tap and the cable to the router.
modem_off
ip link add wwan0 index 13 netns device type veth peer name lan index 23 netns r-wwan
ip -n r-wwan link set lan up
ip -n r-wwan address add 198.18.3.1/24 dev lan
ip -n r-wwan address add 2001:db8:3::1/64 dev lan
set --
n=0
for link in eth0 wlan0 wwan0; do
    n=$((n + 1))
    ip -n device address flush dev "$link"
    ip -n device -batch - <<END
link set $link up
tuntap add tap-$link mode tap
link add br-$link type bridge
link set $link master br-$link
link set tap-$link master br-$link
link set tap-$link up
link set br-$link up
END
    set -- "$@" -netdev "tap,id=net-$link,ifname=tap-$link,script=no,downscript=no" \
        -device "virtio-net-pci,id=nic-$link,netdev=net-$link,mac=52:54:00:00:00:0$n,romfile="
done

on device qemu-system-aarch64 -M virt -cpu cortex-a57 -m 320 -smp 1 -nodefaults -display none -no-reboot \
    -kernel "$LAB/kernel" -initrd "$LAB/initramfs" -append "console=ttyAMA0 quiet panic=1" \
    -chardev "socket,id=serial,path=$LAB/console,server=on,wait=off,logfile=$LAB/console.log" -serial chardev:serial \
    -chardev "socket,id=monitor,path=$LAB/monitor,server=on,wait=off" -mon monitor,mode=readline "$@" >"$LAB/qemu.log" 2>&1 &
QEMU=$!

# What is typed before the kernel's driver listens is not only lost, it makes the line deaf for good.
if ! poll 300 grep -q '/ # ' "$LAB/console.log" || ! guest true; then
    not_ok "the machine boots"
    cat "$LAB/qemu.log" "$LAB/console.log" | tail -n 40
    exit
fi
ok "the machine boots"
check "an arm64 kernel" guest 'uname -m | grep -x aarch64'
check "the init script locked it before the network came" guest 'grep -x "status 0" /run/boot.log && grep "hook input .*policy drop" /run/boot.log'
if ! poll 120 guest_in_use eth0; then not_ok "over eth0 first"; vm_diagnose; exit; fi
ok "over eth0 first"
wait_for 60 "eth0 is confirmed" guest_status '^eth0 +ITFUP_SS'
wait_for 60 "and wlan0" guest_status '^wlan0 +ITFUP_SS'
wait_for 60 "locked by nft, and replies are held" guest_log 'locked in [0-9]+ ms; addresses by nft; DNS: hold'
check "there is no other tool: iptables, ipset, conntrack, awk" guest '! which iptables ip6tables iptables-nft ipset conntrack awk'
guest 'connmgr status | cat' || :

check "no first connection to a fresh address is lost" guest 'labtool first 198.18.100.55 n#.fresh.example 1 50 80 4 | grep " 0 unresolved, 0 lost,"'
check "IPv6" guest 'labtool first 198.18.100.55 n#.fresh.example 101 50 80 6 | grep " 0 unresolved, 0 lost,"'
# This kernel says with a queued packet what was asked before it was redirected (NETFILTER_NETLINK_GLUE_CT).
guest 'nft "add table ip lab; add chain ip lab output { type nat hook output priority -100; }; add rule ip lab output ip daddr 198.18.100.54 udp dport 53 dnat to 198.18.100.55"'
check "nor one that was asked of a server that DNAT exchanged" \
    guest 'labtool first 198.18.100.54 n#.fresh.example 151 20 80 4 | grep " 0 unresolved, 0 lost,"'
check "a foreign address is shut" guest 'labtool first 198.18.100.55 n#.foreign.example 201 2 80 4 | grep " 0 unresolved, 2 lost,"'
guest 'nft flush ruleset'
wait_for 60 "another program flushes everything: it is locked again" guest 'nft list table inet connmgr | grep "hook output .*policy drop"'
check "and a foreign address is shut" guest 'labtool first 198.18.100.55 n#.foreign.example 205 2 80 4 | grep " 0 unresolved, 2 lost,"'
check "no first connection is lost" guest 'labtool first 198.18.100.55 n#.fresh.example 401 20 80 4 | grep " 0 unresolved, 0 lost,"'
# SOAK=1: 10,000 names, 100 for each line, since the console waits for a minute.
if [ -n "${SOAK:-}" ]; then
    from=1001
    while [ "$from" -le 10901 ]; do
        guest "labtool first 198.18.100.55 n#.fresh.example $from 100 80 4" || :
        from=$((from + 100))
    done >"$LAB/first"
    sed -n '1p; $p' "$LAB/first"
    check "10,000 names: no first connection is lost" test "$(grep -c ' 0 unresolved, 0 lost,' "$LAB/first")" = 100
fi
check "nobody gets in" not on cloud socat -u OPEN:/dev/null TCP:198.18.1.2:22,connect-timeout=2
check "but a ping gets out" guest 'ping -c 1 -W 10 198.18.100.8'

cable eth0 off
wait_for 60 "eth0 set down by the monitor: over wlan0" guest_in_use wlan0
cable wlan0 off
wait_for 60 "wlan0, too: over wwan0" guest_in_use wwan0
check "no first connection is lost over it" guest 'labtool first 198.18.100.55 n#.fresh.example 301 20 80 4 | grep " 0 unresolved, 0 lost,"'
cable wlan0 on
wait_for 120 "wlan0 is back: over wlan0" guest_in_use wlan0
cable eth0 on
wait_for 120 "eth0 is back: over eth0" guest_in_use eth0
guest 'connmgr events | cat' | grep -E 'decision|switch' || :
check "status says it" guest_status '^in use +eth0'
check "the switches, from decision to the kernel's routes" guest 'connmgr events | grep -c "switched to"'

guest 'pid=$(pidof connmgr); grep -E "^(VmRSS|Threads)" /proc/$pid/status; grep ^Pss: /proc/$pid/smaps_rollup; grep -o "monitoring.*" /run/connmgr.log | head -n 1'
guest 'kill -9 $(pidof connmgr)' || :
wait_for 60 "killed, it is started again" guest '[ "$(grep -c " monitoring " /run/connmgr.log)" = 2 ]'
wait_for 60 "and knows what was open" guest_log '[1-9][0-9]* names* of open addresses kept'
guest 'kill -TERM $(pidof connmgr)' || :
wait_for 60 "stopped, it ends with 0" guest 'grep -x "ended with 0" /run/connmgr.log'
check "no error was logged" not guest 'grep " error: " /run/connmgr.log'
kill "$QEMU"
wait "$QEMU" 2>/dev/null || :
