#!/bin/sh
# --echo names an SSH server, which speaks first: no link fails because of that, the log has a warning, and
# ping decides. Once a service has answered correctly, a wrong answer means a portal.
# takes 40 s
. "$(dirname "$0")/lib.sh"

lab_up
on cloud /usr/bin/python3 "$NETNS_DIR/probed.py" 198.18.100.10 22 banner >"$LAB/ssh.log" 2>&1 &
poll 10 grep -q listening "$LAB/ssh.log"
PROBES='--echo 198.18.100.10:22' start_connmgr --idle 4
wait_for 5 "eth0 is in use" in_use eth0
warned="^<4> ?'echo://198.18.100.10:22' has not answered correctly over any link since the start, and wrongly over "
check "a warning" log_has "$warned"
check "status: the service is suspected" status_has '^service +echo://198.18.100.10:22: proves content, about'
check "status: what decides" status_has 'wrongly over .*: ping|ping decides|decides meanwhile'
wait_for 10 "LTE was asked once, and was no better" log_has '^<[0-7]> ?probe of wwan0: ping answered .*something else'
stays 10 "eth0 stays in use" in_use eth0
check "no link was condemned" not log_has ' -> ITFUP_SF'
check "LTE was asked once" test "$(probes wwan0)" = 1
check "the warning was given once" test "$(grep -cE "$warned" "$LAB/connmgr.log")" = 1
upstream_dead eth0
wait_for 15 "ping decides: eth0 is dead, wlan0 is in use" in_use wlan0
upstream_alive eth0
stop_connmgr

# The only unmetered link has a portal at the start: LTE tells it from a wrong service.
portal eth0 portal
ip -n device link set wlan0 down
start_connmgr --idle 4
wait_for 10 "a portal at the start: LTE is in use" in_use wwan0
check "eth0 has failed by what the portal said" log_has '^<[0-7]> ?eth0: ITFUP_SU -> ITFUP_SF: .*something else'
check "LTE is confirmed, not only assumed" status_has '^wwan0 +ITFUP_SS for .*: in use, confirmed by echo$'
