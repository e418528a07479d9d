#!/bin/sh
# The same packets through the lockdown of each backend, and through a plain predicate: what the policy says, written down a
# second time, packet by packet. Every protocol and direction that the policy names, and the neighbours of each.
#
# A packet is sent by a raw socket in a namespace beside the device, or by the device itself, and is let through if it is heard
# where it goes: on the device by a chain of ours that counts behind the lockdown, beyond it by the wire.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
on device nft flush ruleset # no NAT: a packet keeps its addresses
ip -n r-eth address add fe80::1/64 dev lan
ip -n device address replace fe80::2/64 dev eth0
ip -n host address replace fe80::5/64 dev lan
ip -n device address replace fe80::6/64 dev br-apnet
ip -n r-eth route replace 198.18.50.0/24 via 198.18.1.2
ip -n r-eth route replace 2001:db8:50::/64 via 2001:db8:1::2

/usr/bin/python3 "$NETNS_DIR/packets.py" predicate >"$LAB/packets"
check "there are packets of every kind" test "$(wc -l <"$LAB/packets")" -ge 100
verdicts() {
    unlock
    lock
    admit 198.18.100.10 2001:db8:100::10
    case $VARIANT in
        bare) admit 198.18.101.0/24 ;;
        *) on device ipset add afero4 198.18.101.0/24 ;;
    esac
    /usr/bin/python3 "$NETNS_DIR/packets.py" predicate >"$LAB/expected.verdicts"
    /usr/bin/python3 "$NETNS_DIR/packets.py" send >"$LAB/got.verdicts"
    same "${WITH}every packet is judged as the predicate says" cat "$LAB/got.verdicts" <"$LAB/expected.verdicts"
    cp "$LAB/got.verdicts" "$LAB/verdicts.$VARIANT"
}
backends verdicts
check "nf_tables and iptables-nft agree" cmp "$LAB/verdicts.bare" "$LAB/verdicts.nft"
check "nf_tables and iptables-legacy agree" cmp "$LAB/verdicts.bare" "$LAB/verdicts.legacy"
