#!/bin/sh
# One packet in five is lost, both ways, while an application talks over the link: no switch.
# takes 60 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"

soak 55 300
begin
application tcp
rule eth0 -A FORWARD -m statistic --mode random --probability 0.2 -j DROP
stays "$HOW_MUCH" "eth0 stays in use" in_use eth0
check "no link counts as failed" not log_has ITFUP_SF
check "nobody moved" test "$(moves)" = 1
check "packets were lost: $(longest_gap) ms without an answer" test "$(longest_gap)" -ge 200
