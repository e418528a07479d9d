#!/bin/sh
# In a root directory of BusyBox and iptables, with the firewall: the complete scenario of a pulled cable, a
# dead upstream, LTE and back.
# takes 35 s
. "${0%/*}/lib.sh"
. "$NETNS_DIR/bareroot.sh"

FIREWALL=
bare_root "$(connmgr_path)"
lab_up
echo echo.example >"$LAB/etc/whitelist"
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=1"; }
policies() { on device iptables -S | grep -c -- '^-P [A-Z]* DROP'; }

check "there is nothing but BusyBox, iptables and connmgr" is_bare
check "check finds nothing wrong with what was installed" "$CONNMGR" check
start_connmgr
wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled
wait_for 5 "it is locked" log_has '^<6>locked in '
check "the policies are DROP" test "$(policies)" = 3
wait_for 5 "the whitelisted service is reached" reaches 198.18.100.10
check "nothing else is" not reaches 198.18.100.8
unplug eth0
wait_for 2 "the cable pulled: over wlan0" in_use wlan0
wait_for 2 "IPv6 too" in_use6 wlan0
check "status says why" status_has 'eth0 lost carrier'
upstream_dead wlan0
wait_for 25 "its upstream dead: over wwan0" in_use wwan0
wait_for 5 "the service is reached over it" reaches 198.18.100.10
plug eth0
configure eth0
wait_for 20 "the cable back: over eth0" in_use eth0
wait_for 5 "the service is reached again" reaches 198.18.100.10
check "no script failed" not log_has '^<[34]>.*(init_firewall|switch_route|fwcfg)'
stop_connmgr || status=$?
check "it ends with 0" test "${status:-0}" = 0
check "the lockdown stays" test "$(policies)" = 3
