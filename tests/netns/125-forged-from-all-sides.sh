#!/bin/sh
# Forged replies and questions from every side at once, while the device resolves honest names: a host of the link's LAN and a host
# behind the bridge send replies in the name server's name to the device, the host asks a server of its own with the device's
# IPv6 address, programs of the device without privileges ask a server of their own, and a server that knows each question
# sends 26 forgeries before its answer. No address is opened. (make soak-tests: 1,000,000; FORGERIES=N.)
# takes 60 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/application.sh"
. "$NETNS_DIR/names.sh"
soak "${FORGERIES:-50000}" 1000000

lab_up
names_up
host_behind
use_variant nft
# The server of the attackers, which answers all of them.
printf 'address add %s dev lo\n' 198.18.100.58/32 2001:db8:100::58/128 | ip -n cloud -batch -
for server in 198.18.100.58 2001:db8:100::58; do
    nsenter --net=/run/netns/cloud "$LABTOOL" names "$server" 198.18.100.8 >"$LAB/rogue.$server" 2>&1 &
    poll 10 grep -q answering "$LAB/rogue.$server"
done
cat >"$LAB/forge.py" <<'END'
import os, random, socket, struct, sys
what, source, target, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in source else socket.AF_INET
kind = 28 if len(sys.argv) > 5 else 1
FORGED = socket.inet_pton(socket.AF_INET6, "2001:db8:101::ffff") if kind == 28 else bytes([198, 19, 255, 1])
tail = b"\5fresh\7example\0" + struct.pack(">HH", kind, 1)
def question(i):
    name = b"n%d" % (30000 + i % 20000)
    return bytes([len(name)]) + name + tail
def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
if os.environ.get("FORGER"):
    os.setgid(4242)
    os.setuid(4242)
if what == "ask":
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((source, 0))
else:
    s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
random.seed(count)
refused = 0
for i in range(count):
    if what == "ask":
        packet, to = struct.pack(">HHHHHH", i & 0xffff, 0x100, 1, 0, 0, 0) + question(i), (target, 53)
    else: # a reply of the device's name server, to ports and ids in turn, with an address of ours
        message = struct.pack(">HHHHHH", random.getrandbits(16), 0x8180, 1, 1, 0, 0) + question(i) \
            + b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(FORGED)) + FORGED
        udp = struct.pack(">HHHH", 53, 1024 + random.randrange(64000), 8 + len(message), 0) + message
        if family == socket.AF_INET:
            packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target)) + udp
        else:
            src, dst = socket.inet_pton(family, source), socket.inet_pton(family, target)
            pseudo = src + dst + struct.pack(">II", len(udp), 17) + udp + b"\0" * (len(udp) % 2)
            udp = udp[:6] + struct.pack(">H", checksum(pseudo) or 0xffff) + udp[8:]
            packet = struct.pack(">IHBB", 0x60000000, len(udp), 17, 64) + src + dst + udp
        to = (target, 0)
    try:
        s.sendto(packet, to)
    except OSError:
        refused += 1 # the lockdown drops it, or a buffer is full
print(count, "sent,", refused, "refused")
END
# forge HOST COMMAND...
forge() {
    forge_host=$1
    shift
    exec nsenter --net="/run/netns/$forge_host" "$@"
}
python="/usr/bin/python3 $LAB/forge.py"
modes='hold sniff'
can_hold || { modes=sniff; skip "with nft: $no_queue"; }
# Eight sources, in each of two modes.
part=$((HOW_MUCH / 16))
ip -n host address add 2001:db8:1::2/128 dev lan nodad
n=0
# Each has a file of its own, so that their lines do not mix.
sent() {
    for forged in "$LAB"/forged.*; do echo "${forged##*.}: $(cat "$forged")"; done
    [ "$(cat "$LAB"/forged.* | grep -c "^$part sent")" = "$1" ]
}
forgers_are_open() { is_open 198.19.255.1 || is_open 2001:db8:101::ffff; }
opened() { open_addresses | grep -c . || :; }
for mode in $modes; do
    lockdown --dns "$mode" --dns-servers auto
    pids='' source=0
    # shellcheck disable=SC2086  # words
    for words in "r-eth $python reply 198.18.100.55 198.18.1.2" "r-eth $python reply 2001:db8:100::55 2001:db8:1::2" \
        "host $python reply 198.18.100.55 198.18.50.1" "host $python reply 2001:db8:100::55 2001:db8:50::1" \
        "host $python ask 2001:db8:1::2 2001:db8:100::58" \
        "device env FORGER=4242 $python ask 0.0.0.0 198.18.100.58" \
        "device env FORGER=4242 $python ask :: 2001:db8:100::58"; do
        case $words in *:*) six=6 ;; *) six='' ;; esac
        source=$((source + 1))
        forge $words "$part" $six >"$LAB/forged.$source" 2>&1 &
        pids="$pids $!"
    done
    # The eighth: the device's own name server knows id and port.
    NAMES=x#.fresh.example first device $((part / 26 + 1)) $((n + 1)) >"$LAB/last"
    check "$mode: $((part / 26 + 1)) names, 26 forgeries before each answer: all resolved" grep -q ' 0 unresolved, ' "$LAB/first"
    # shellcheck disable=SC2086  # a list
    wait $pids
    check "$mode: from each of the seven other sources $part were sent" sent 7
    n=$((n + part / 26 + 1))
    only_asked() { [ "$(opened)" = "$n" ]; }
    wait_for 5 "$mode: nothing is open but what the device asked for" only_asked
    check "$mode: not the forgers' addresses" not forgers_are_open
    stop_connmgr
done
