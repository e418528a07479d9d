#!/bin/sh
# Rules by which other programs find the packets that they have marked (kubelet, kube-proxy, Calico, Cilium,
# Tailscale, mwan3, wg-quick) do not find connmgr's: its mark is one bit, which none of them uses. Another bit
# can be chosen; with one that kubelet drops no link is confirmed.
# takes 25 s
. "$(dirname "$0")/lib.sh"
needs_option --mark-bit

lab_up
# marked NAME MATCH...: drops what matches, in both families.
marked() {
    name=$1
    shift
    for tables in iptables ip6tables; do
        on device "$tables" -w -A OUTPUT -m mark "$@" -m comment --comment "$name" -j DROP
    done
}
marked kubelet --mark 0x8000/0x8000
marked kube-proxy --mark 0x4000/0x4000
marked Calico ! --mark 0/0xffff0000
marked Cilium ! --mark 0/0x0f00
marked Tailscale ! --mark 0/0xff0000
marked mwan3 ! --mark 0/0x3f00
marked wg-quick --mark 0xca6c
# dropped NAME: prints how many packets its rules have dropped.
dropped() {
    { on device iptables -nvxL OUTPUT && on device ip6tables -nvxL OUTPUT; } |
        awk -v name="$1" '$0 ~ name { n += $1 } END { print n }'
}

start_connmgr
wait_for 10 "the links are confirmed beside all of them" settled
for name in kubelet kube-proxy Calico Cilium Tailscale mwan3 wg-quick; do
    check "$name has dropped nothing" test "$(dropped $name)" = 0
done
stop_connmgr

start_connmgr --mark-bit 6
wait_for 10 "with another bit that nobody uses, too" settled
stop_connmgr

# 0x8000 is kubelet's.
start_connmgr --mark-bit 15
has_dropped() { [ "$(dropped kubelet)" -gt 0 ]; }
wait_for 10 "with kubelet's bit: kubelet drops the probes" has_dropped
wait_for 20 "and eth0 is not confirmed" state eth0 ITFUP_SF
on device iptables -w -F OUTPUT
on device ip6tables -w -F OUTPUT
wait_for 60 "without kubelet it is" state eth0 ITFUP_SS
