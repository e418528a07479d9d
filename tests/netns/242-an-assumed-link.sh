#!/bin/sh
# A metered link that is up and was never probed is assumed to work, with its own word, exit status and
# metric. After a successful probe it is confirmed.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
check "a confirmed link: 0" exits 0 ask status
check "metrics: confirmed" metrics_have '^connmgr_link_confirmed 1$'
check "status: what has never been probed is assumed" status_has '^wwan0 +ITFUP_SS for .*: assumed, is up, assumed good \(metered, not probed\)$'
check "metrics: its state is 6" metrics_have '^connmgr_link_state\{link="wwan0",kind="wan"\} 6$'
unplug eth0
unplug wlan0
wait_for 5 "LTE is in use" in_use wwan0
wait_for 5 "an assumed link alone: 2" exits 2 ask status
check "as JSON: 2" exits 2 ask status --json
check "valid" status_is_valid
check "JSON: not confirmed, but assumed" grep -q '"confirmed":false,"assumed":true' "$LAB/status.json"
check "metrics: half" metrics_have '^connmgr_link_confirmed 0.5$'
check "LTE was not touched for that" log_has '^<[0-7]> ?wwan0: .* -> ITFUP_SS: is up, assumed good \(metered, not probed\)$'
restart_connmgr --wan-probe always
wait_for 5 "LTE is proved: 0" exits 0 ask status
check "metrics: confirmed" metrics_have '^connmgr_link_confirmed 1$'
check "metrics: its state is 5" metrics_have '^connmgr_link_state\{link="wwan0",kind="wan"\} 5$'
modem_off
wait_for 5 "no link at all: 1" exits 1 ask status
