#!/bin/sh
# The echo service is blocked on eth0 alone, silently or with a refusal, and ping passes there: the fault is
# eth0's, and Wi-Fi is in use within 60 s. If the service is blocked on all links, there is no switch.
# takes 75 s
. "$(dirname "$0")/lib.sh"

lab_up
for how in DROP "REJECT --reject-with tcp-reset"; do
    start_connmgr
    wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled
    # shellcheck disable=SC2086  # words
    rule eth0 -A FORWARD -p tcp --dport 80 -j $how
    wait_for 60 "$how on eth0 alone: wlan0 is in use" in_use wlan0
    check "eth0 is not confirmed any more" state eth0 ITFUP_SU
    check "ping passes" on device ping -I eth0 -c 1 -W 2 198.18.100.8
    stop_connmgr
    upstream_alive eth0
done
check "LTE was never touched" lte_untouched
