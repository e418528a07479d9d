#!/bin/sh
# A DHCP renewal takes address and routes away and gives them back within a second: nobody moves.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
# A machine that is busy may take longer over it than a renewal may: then it is no renewal, and done once more.
renewal() {
    for _ in 1 2 3 4 5; do
        lab_gone=$(now)
        unconfigure eth0
        sleep "$1" # what this test is about
        configure eth0
        [ $(($(now) - lab_gone)) -gt 90 ] || return 0
        restart_connmgr
        poll 30 settled
    done
    not_ok "no renewal within a second"
}
for gap in 0.1 0.5; do
    renewal "$gap"
    wait_for 3 "renewal of $gap s: eth0 has the metric-0 route again" in_use eth0
    wait_for 3 "renewal of $gap s: the same for IPv6" in_use6 eth0
done
stays 3 "eth0 stays in use" in_use eth0
check "wlan0 was never chosen" not log_has '^<[0-7]> ?using wlan0'
