#!/bin/sh
# The DHCP client of the link in use gets another router: the default in front follows it, and the old one is gone.
# A default for some sources only is left alone, and keeps nobody from being chosen.
# takes 15 s
. "$(dirname "$0")/lib.sh"

begin
ip -n r-eth address add 198.18.1.254/24 dev lan
ip -n device route replace default via 198.18.1.254 dev eth0 metric 10
leads_there() { [ "$(ip -n device route show default dev eth0)" = "default via 198.18.1.254 " ]; }
wait_for 3 "the default leads over the new router, and only there" leads_there
check "the network works" on device ping -c 1 -W 2 198.18.100.8

ip -n device -6 route del default dev eth0
ip -n device -6 route add default from 2001:db8:1::/64 via 2001:db8:1::1 dev eth0 metric 512
stays 5 "a source-specific default: eth0 stays in use" in_use eth0
check "no switch failed" not log_has 'switching to .* failed'
