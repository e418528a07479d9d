#!/bin/sh
# Devices of containers come, change and go beside 50,000 routes: none of them has a default, so the daemon does not
# read the routes again. A route that matters is noticed all the same.
# takes 30 s
. "$(dirname "$0")/lib.sh"

lab_up
awk 'BEGIN { for (i = 0; i < 50000; i++)
    printf "route add 198.19.%d.%d/32 via 198.18.1.1 dev eth0\n", int(i / 256), i % 256 }' |
    ip -n device -batch -
start_connmgr
wait_for 20 "eth0 is in use, it and wlan0 are confirmed" settled
ticks() { awk '{ print $14 + $15 }' "/proc/$CONNMGR_PID/stat"; }

used=$(ticks)
for n in 1 2 3 4 5 6 7 8 9 10; do
    ip -n device -batch - <<END
link add veth$n type veth peer name peer$n
link set veth$n up
link set peer$n up
address add 198.18.9.$n/32 dev veth$n
link set veth$n promisc on
link set peer$n down
link set veth$n down
link delete veth$n
END
done
gone() { not ip -n device link show veth10; }
poll 5 gone
check "status answers" status_has '^in use +eth0 for '
used=$(($(ticks) - used))
check "ten containers took $used hundredths of a second of a processor, at most 20" test "$used" -le 20

ip -n device route replace blackhole default
wait_for 5 "a default that another program replaces is noticed" log_has 'restored the route over eth0'
check "eth0 is in front" in_use eth0
