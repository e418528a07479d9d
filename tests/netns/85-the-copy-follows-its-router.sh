#!/bin/sh
# connmgr's copy of an advertised IPv6 default follows the kernel's own: when the router says that it is none
# any more, when its advertisement expires, when the route is deleted by hand, when another router takes over,
# when a preference changes, and when all of them are gone.
# takes 50 s
. "$(dirname "$0")/lib.sh"

advertise() { on r-eth python3 "$NETNS_DIR/advertise.py" lan "$@"; }
kernel_has() { ip -n device -6 route show default dev eth0 proto ra | grep -q "via fe80::bad:$1 "; }
copy() { ip -n device -6 route show default dev eth0 proto 175; }
in_front() { copy | grep "metric 1 " | grep -q "via fe80::bad:$1 "; }
no_copy() { [ -z "$(copy)" ]; }

lab_up
ip -n device -6 route flush dev eth0 exact default
advertise 1 a
poll 10 kernel_has a
start_connmgr
wait_for 10 "eth0 is in use, it and wlan0 are confirmed" settled
check "the copy is of router a" in_front a
check "it does not run out" not sh -c 'ip -n device -6 route show default proto 175 | grep expires'

advertise 1 b
poll 10 kernel_has b
stays 1 "another router of the same preference: it stays" in_front a
advertise 1 a 0
wait_for 5 "a says that it is no router any more: the copy is of b" in_front b

advertise 1 c 3 high
wait_for 5 "c has a higher preference, for 3 seconds: the copy is of c" in_front c
wait_for 40 "c's advertisement has run out: the copy is of b" in_front b

advertise 1 d
poll 10 kernel_has d
ip -n device -6 route del default via fe80::bad:b dev eth0 proto ra
wait_for 5 "b's is deleted by hand: the copy is of d" in_front d

advertise 1 e 1800 low
poll 10 kernel_has e
stays 1 "e has a lower preference: it stays" in_front d
# The kernel does not report that: connmgr reads the routes again within 16 s.
advertise 1 e 1800 high
wait_for 20 "e's preference rises: the copy is of e" in_front e
advertise 1 e 1800 low
wait_for 20 "it falls again: the copy is of d" in_front d

advertise 1 d 0
wait_for 5 "d is gone: the copy is of e" in_front e
advertise 1 e 0
wait_for 5 "all are gone: there is no copy" no_copy
leads_over() { ip -n device route get 2001:db8:100::8 | grep -q "dev $1 "; }
wait_for 5 "IPv6 leaves over wlan0" leads_over wlan0
check "eth0 is in use by IPv4" in_use eth0
check "status shows both families" status_has '^ +IPv4 over eth0, IPv6 over wlan0$'
advertise 1 f
wait_for 10 "a router is back: the copy is of that one" in_front f
check "nobody has moved to another link" not log_has '^<[0-7]> ?using wlan0'
