#!/bin/sh
# No name server answers: a running daemon continues with the addresses that it knows. A daemon that starts
# leaves the links unconfirmed, because ping is answered. No switch.
# takes 50 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
dns_dead eth0
dns_dead wlan0
began=$(probes eth0)
probed_again() { [ "$(probes eth0)" -ge $((began + 3)) ]; }
wait_for 40 "eth0 is probed three times" probed_again
check "it is still confirmed" state eth0 ITFUP_SS
check "nobody moved" test "$(switches)" = 1

restart_connmgr --idle 4
wait_for 3 "started without a name server: eth0 is in use" in_use eth0
began=0
wait_for 40 "eth0 is probed three times" probed_again
check "eth0 is still in use" in_use eth0
check "it is not confirmed" state eth0 ITFUP_SU
check "nobody moved" test "$(switches)" = 1
check "no link counts as failed" not log_has ITFUP_SF
check "LTE was never touched" lte_untouched
