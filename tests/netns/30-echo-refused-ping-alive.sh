#!/bin/sh
# The echo service refuses connections, while ping is answered: the upstream works, so there is no switch.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
echo_mode refuse
began=$(probes eth0)
probed_again() { [ "$(probes eth0)" -ge $((began + 3)) ]; }
wait_for 40 "eth0 is probed three times" probed_again
check "eth0 is still in use" in_use eth0
check "nobody moved" test "$(switches)" = 1
check "no link counts as failed" not log_has 'ITFUP_SF'
check "LTE was never touched" lte_untouched
