#!/bin/sh
# The echo service is down when the device starts, ping is answered: the unconfirmed Ethernet is used, and no LTE.
# takes 25 s
. "$(dirname "$0")/lib.sh"

lab_up
echo_mode refuse
start_connmgr --idle 4
wait_for 3 "eth0 is in use" in_use eth0
stays 20 "eth0 stays in use" in_use eth0
check "it was not confirmed" state eth0 ITFUP_SU
check "LTE was never touched" lte_untouched
echo_mode echo
wait_for 12 "the service is back: eth0 is confirmed" state eth0 ITFUP_SS
check "nobody moved" test "$(switches)" = 1
