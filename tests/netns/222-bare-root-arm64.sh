#!/bin/sh
# The arm64 executable, emulated, in a root directory of BusyBox and iptables. The emulator (qemu 7.2) has no
# SO_MARK, so probes cannot run and every link counts as failed; no nfnetlink and no sock_diag, so sets, the
# queue and the end of old flows are not tested. make test-arm64-vm tests all of these with an arm64 kernel in
# a virtual machine. BusyBox and iptables are this machine's: its kernel starts the scripts.
# takes 20 s
. "${0%/*}/lib.sh"
. "$NETNS_DIR/bareroot.sh"

program=$REPO/artifacts/linux-arm64/connmgr
emulator=$(command -v qemu-aarch64-static)
if [ ! -e "$program" ]; then
    not_ok "there is an arm64 executable (./build.sh linux-arm64)"
    exit
fi
bare_root "$program" "$emulator"
lab_up
moved_on() { state eth0 ITFUP_SF && state wlan0 ITFUP_SF && in_use wwan0; }

check "there is nothing but BusyBox, iptables and connmgr" is_bare
check "it is an arm64 executable" sh -c "od -An -tx2 -j18 -N2 '$ROOT/usr/sbin/connmgr' | grep -q 00b7"
check "check finds nothing wrong with what was installed" "$CONNMGR" check
start_connmgr
wait_for 10 "eth0 and wlan0 are monitored, and wwan0 is used, which needs no probe" moved_on
wait_for 5 "status answers" status_has 'wwan0.*ITFUP_SS'
unplug wwan0
wait_for 3 "without it: over eth0" in_use eth0
wait_for 2 "IPv6 too" in_use6 eth0
unplug eth0
wait_for 2 "the cable pulled: over wlan0" in_use wlan0
wait_for 2 "IPv6 too" in_use6 wlan0
check "status says why" status_has 'eth0 lost carrier'
check "no script failed" not log_has '^<[34]>.*(init_firewall|switch_route|fwcfg)'
stop_connmgr || status=$?
check "it ends with 0" test "${status:-0}" = 0
