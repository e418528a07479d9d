#!/bin/sh
# One packet in five is lost, both ways: the link stays in use and confirmed.
# takes 65 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
for link in eth0 wlan0; do rule "$link" -A FORWARD -m statistic --mode random --probability 0.2 -j DROP; done
stays 60 "eth0 stays in use" in_use eth0
check "no link counts as failed" not log_has ITFUP_SF
check "it was probed" test "$(probes eth0)" -ge 5
