#!/bin/sh
# A DHCP renewal removes address and routes and restores them within a second: no switch.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
# Few processes with high priority, because the machine may be busy. If they take longer than a renewal may,
# repeat the renewal.
cat >"$LAB/away" <<'END'
address del 198.18.1.2/24 dev eth0
address del 2001:db8:1::2/64 dev eth0
END
cat >"$LAB/back" <<'END'
address replace 198.18.1.2/24 dev eth0
address replace 2001:db8:1::2/64 dev eth0
route replace 0.0.0.0/0 via 198.18.1.1 dev eth0 metric 10
route replace ::/0 via 2001:db8:1::1 dev eth0 metric 10
END
renewal() {
    for _ in 1 2 3 4 5; do
        lab_gone=$(now)
        # shellcheck disable=SC2016
        nice -n -20 nsenter --net=/run/netns/device sh -c '
            ip -batch "$1/away" && ip -6 route flush dev eth0 exact default && sleep "$2" && ip -batch "$1/back"
        ' - "$LAB" "$1"
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
