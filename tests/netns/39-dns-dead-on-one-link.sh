#!/bin/sh
# The name server is out of reach over one link: neither that link nor another one fails because of that.
# takes 40 s
. "$(dirname "$0")/lib.sh"

lab_up
dns_dead wlan0
start_connmgr --idle 4
wait_for 5 "eth0 is in use" in_use eth0
wait_for 5 "eth0 is confirmed" state eth0 ITFUP_SS
stays 10 "eth0 stays in use" in_use eth0
unplug eth0
wait_for 5 "eth0 pulled: wlan0 takes over" in_use wlan0
stays 15 "wlan0 stays in use" in_use wlan0
why="\\('echo\\.example' cannot be resolved: no name server answers\\)"
# Joins the words into one line, however they are wrapped.
probe_has() { ask status | tr -s '\n ' ' ' | grep -E -- "$1"; }
check "status: wlan0 is not confirmed" status_has '^wlan0 +ITFUP_SU for [0-9]+ s: in use, is up, not yet confirmed$'
wait_for 5 "status: its ping is answered, but no name server" probe_has \
    " wlan0 ITFUP_SU .* ping answered [0-9.]+ ms after the start, but no echo $why .* wwan0 "
check "events: the same" events_have \
    " probe of wlan0: ping answered [0-9.]+ ms .*, but no echo $why\$"
check "wlan0 never counts as failed" not log_has '^<[0-7]> ?wlan0: .* -> ITFUP_SF'
check "LTE was never touched" lte_untouched
