#!/bin/sh
# Sends the same packets through the lockdown of each backend, and compares the verdicts with a plain
# predicate: a second description of the policy, packet by packet. It covers every protocol and direction of
# the policy, and their neighbours.
#
# A raw socket sends each packet, in a namespace beside the device or on the device. The packet has passed if
# it arrives: on the device a chain after the lockdown counts it, beyond the device it is seen on the wire.
# takes 40 s, busy
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
# firewall_user: SSH to the device and to hosts, without states, so that it alone decides. The documentation has the first two.
firewall_user() {
    for rule in 'input i dport INPUT' 'output o sport OUTPUT' 'forward i dport FORWARD' 'forward o sport FORWARD'; do
        # shellcheck disable=SC2086  # words
        set -- $rule
        case $VARIANT in
            bare) echo "nft add rule inet connmgr user_$1 ${2}ifname eth0 tcp $3 22 accept" ;;
            *) for t in iptables ip6tables; do echo "$t -A $4 -$2 eth0 -p tcp --$3 22 -j ACCEPT"; done ;;
        esac
    done
}
verdicts() {
    unlock
    firewall_user >"$LAB/etc/firewall.user"
    lock
    check "${WITH}firewall.user ran" grep -qx 'firewall.user: ok' "$LAB/said"
    admit 198.18.100.10 2001:db8:100::10
    case $VARIANT in
        bare) admit 198.18.101.0/24 ;;
        *) on device ipset add afero4 198.18.101.0/24 ;;
    esac
    /usr/bin/python3 "$NETNS_DIR/packets.py" predicate >"$LAB/expected.verdicts"
    /usr/bin/python3 "$NETNS_DIR/packets.py" send >"$LAB/got.verdicts"
    same "${WITH}every packet is judged as the predicate says" cat "$LAB/got.verdicts" <"$LAB/expected.verdicts"
    cp "$LAB/got.verdicts" "$LAB/verdicts.$VARIANT"
    while read -r verdict packet; do
        check "${WITH}extenders, $packet: $verdict" grep -qE "^[0-9]+ $packet: $verdict\$" "$LAB/got.verdicts"
    done <"$LAB/extenders"
}
# What the original's three scripts admit for hosts behind the bridge, in the order of the table in docs/lockdown.md, and their
# neighbours, which are dropped. A port 4... is one above 40000.
cat >"$LAB/extenders" <<'END'
passes up 4 stranger udp 4[0-9]*-53
passes up 4 stranger udp 4[0-9]*-53, its answer
passes up 4 stranger ping
passes up 4 stranger ping, its answer
passes up 4 stranger udp 4[0-9]*-123
passes up 4 stranger udp 4[0-9]*-123, its answer
passes frombridge 4 near udp 68-67
passes frombridge 4 near udp 67-68
passes frombridge 4 near udp 4[0-9]*-67
passes frombridge 4 near udp 4[0-9]*-68
passes frombridge 4 near udp 443-68
passes frombridge 4 near udp 4[0-9]*-67, its answer
passes frombridge 4 near udp 4[0-9]*-68, its answer
passes tobridge 4 near udp 67-68
passes tobridge 4 near udp 67-443
passes tobridge 4 near udp 68-443
passes up 4 stranger udp 68-67
passes up 4 stranger udp 68-67, its answer
passes up 4 stranger udp 67-443
passes up 4 stranger udp 67-443, its answer
passes up 4 stranger udp 68-443
passes up 4 stranger udp 68-443, its answer
passes up 4 friend tcp 4[0-9]*-80
passes up 4 friend tcp 4[0-9]*-80, its answer
drops down 4 stranger udp 53-4[0-9]*
drops down 4 stranger udp 123-4[0-9]*
drops down 4 stranger udp 67-68
drops down 4 stranger udp 443-68
drops down 4 stranger udp 4[0-9]*-67
drops up 4 stranger udp 66-443
drops up 4 stranger udp 443-68
drops up 4 stranger udp 4[0-9]*-67
drops up 4 stranger udp 4[0-9]*-443
drops up 6 stranger udp 68-443
drops frombridge 4 near udp 68-443
drops frombridge 4 near udp 4[0-9]*-66
drops frombridge 4 near udp 4[0-9]*-69
drops frombridge 4 near tcp 4[0-9]*-80
drops frombridge 6 near udp 4[0-9]*-67
drops tobridge 4 near udp 66-443
drops tobridge 4 near udp 443-68
drops tobridge 6 near udp 67-443
drops in 4 stranger udp 4[0-9]*-67
drops in 4 stranger udp 4[0-9]*-68
drops in 4 stranger udp 443-68
drops up 4 stranger tcp 4[0-9]*-80
END
SOAK=1 # all three are compared
backends verdicts
is_nft || check "nf_tables and iptables-nft agree" cmp "$LAB/verdicts.bare" "$LAB/verdicts.nft"
is_nft || check "nf_tables and iptables-legacy agree" cmp "$LAB/verdicts.bare" "$LAB/verdicts.legacy"
