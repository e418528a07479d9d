#!/bin/sh
# A DHCP renewal takes address and routes away and gives them back within a second: nobody moves.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
for gap in 0.1 0.5; do
    unconfigure eth0
    sleep "$gap" # what this test is about
    configure eth0
    wait_for 3 "renewal of $gap s: eth0 has the metric-0 route again" in_use eth0
    wait_for 3 "renewal of $gap s: the same for IPv6" in_use6 eth0
done
stays 3 "eth0 stays in use" in_use eth0
check "wlan0 was never chosen" not log_has '^<[0-7]> ?using wlan0'
