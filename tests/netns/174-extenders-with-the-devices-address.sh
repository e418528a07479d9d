#!/bin/sh
# A host behind the bridge floods questions for whitelisted names to a server of its own, with the device's own IPv6 address as
# their source. The server answers to the device. The questions entered by the bridge, so they do not count as the device's: no
# address is opened, whatever the timing. For addresses of both families, with ids that repeat. (By IPv4 the kernel itself drops
# packets that come from elsewhere with its own address.)
# takes 35 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
host_behind
ip -n cloud address add 2001:db8:100::58/128 dev lo
nsenter --net=/run/netns/cloud "$LABTOOL" names 2001:db8:100::58 2001:db8:100::8 >"$LAB/rogue" 2>&1 &
poll 10 grep -q answering "$LAB/rogue"
cat >"$LAB/flood.py" <<'END'
import socket, struct, sys, time
source, server, count, first, kind = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
tail = b"".join(bytes([len(label)]) + label for label in (b"fresh", b"example")) + b"\0" + struct.pack(">HH", kind, 1)
begun = time.monotonic()
for i in range(count):
    name = b"n%d" % (first + i % 20000)
    try:
        s.sendto(struct.pack(">HHHHHH", i & 0x3ff, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + tail, (server, 53))
    except OSError:
        pass
    if i % 100 == 99: # 15,000 a second
        time.sleep(max(0, begun + i / 15000 - time.monotonic()))
print(count, "sent in", round(time.monotonic() - begun, 1), "s")
END
flood() { on host /usr/bin/python3 "$LAB/flood.py" "$@"; }
# Take the device's addresses only when its own neighbours are known.
ip -n host address add 2001:db8:1::2/128 dev lan nodad
none_is_open() { ask status --json >"$LAB/status.json" || [ $? -le 2 ]; grep -qE '"holes": ?0,' "$LAB/status.json"; }

modes='hold sniff'
can_hold || { modes=sniff; skip "with nft: $no_queue"; }
for mode in $modes; do
    lockdown --dns "$mode" --dns-servers any
    flood 2001:db8:1::2 2001:db8:100::58 75000 1 28 >"$LAB/last"
    check "$mode: 75,000 questions with the device's IPv6 address open nothing" none_is_open
    flood 2001:db8:1::2 2001:db8:100::58 15000 20001 1 >"$LAB/last"
    check "$mode: 15,000 for IPv4 addresses" none_is_open
    check "$mode: a question of the device itself still counts" resolve n60001.fresh.example
    wait_for 5 "$mode: and opens the address" reaches 198.19.234.97
    stop_connmgr || :
    rm -f "$LAB/run/holes"
done
