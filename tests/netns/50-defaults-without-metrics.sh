#!/bin/sh
# A DHCP client that does not know metrics: all defaults have metric 0. Each gets its own metric, and none is
# lost.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
ip -n device -batch - <<'END'
route flush exact default
route append default dev wwan0
route append default via 198.18.2.1 dev wlan0
route append default via 198.18.1.1 dev eth0
END
defaults() { [ "$(ip -n device route show default | sed 's/ via [0-9.]*//; s/ scope link//; s/ *$//')" = "$1" ]; }
start_connmgr
wait_for 5 "eth0 stands alone, the others behind it" defaults "default dev eth0
default dev wlan0 metric 20
default dev wwan0 metric 50"
unplug eth0
wait_for 5 "eth0 pulled: wlan0 stands alone" defaults "default dev wlan0
default dev eth0 metric 10 dead linkdown
default dev wwan0 metric 50"
