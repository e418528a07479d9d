#!/bin/sh
# The DHCP client of the link in use gets another router: the default in front follows it, and the old route
# is gone. A default for some sources only, of the same router, stays where it is, and keeps IPv6 on the link (255 has more).
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
ip -n r-eth address add 198.18.1.254/24 dev lan
ip -n device route replace default via 198.18.1.254 dev eth0 metric 10
leads_there() { [ "$(ip -n device route show default dev eth0)" = "default via 198.18.1.254 " ]; }
wait_for 3 "the default leads over the new router, and only there" leads_there
check "status: eth0's router" status_has '^ address +198\.18\.1\.2 via 198\.18\.1\.254$'
check "events: why eth0 was probed" events_have ' probe of eth0: started: got another address or route$'
check "events: which default was found in front" \
    events_have ' route +restoring the route over eth0: found IPv4 default via 198\.18\.1\.1 dev eth0 metric 0, '
wait_for 3 "events: it was repaired" events_have ' route +restored the route over eth0 in [0-9.]+ ms$'
wait_for 5 "the network works" on device ping -c 1 -W 2 198.18.100.8

ip -n device -6 route del default dev eth0
ip -n device -6 route add default from 2001:db8:1::/64 via 2001:db8:1::1 dev eth0 metric 512
stays 5 "a source-specific default: eth0 stays in use" in_use eth0
check "no switch failed" not log_has 'switching to .* failed'
