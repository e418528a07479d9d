"""packets.py predicate|send: the packets of 109-backends-agree.sh, a line "NAME: passes|drops" each.

predicate says what the lockdown should do with each, from the packet's fields alone. send sends them, from the device, from its
router r-eth and from the host behind its bridge, and says what became of them. A packet has a number: its IPv4 identification, or
its IPv6 flow label. Sets of nf_tables note the numbers where packets arrive: in r-eth and host on the wire, on the device in a
chain behind the lockdown's.
"""
import ctypes
import os
import re
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass

TTL = 77  # tells our packets from the kernel's own
STRANGER, FRIEND, LISTED = "stranger", "friend", "listed"
PEERS = {4: {STRANGER: "198.18.100.8", FRIEND: "198.18.100.10", LISTED: "198.18.101.7"},
         6: {STRANGER: "2001:db8:100::8", FRIEND: "2001:db8:100::10"}}
DEVICE = {4: "198.18.1.2", 6: "2001:db8:1::2"}
ROUTER_LL, DEVICE_LL, HOST_LL, BRIDGE_LL = "fe80::1", "fe80::2", "fe80::5", "fe80::6"
HOST = {4: "198.18.50.2", 6: "2001:db8:50::2"}
BRIDGE = {4: "198.18.50.1", 6: "2001:db8:50::1"}
ICMP = {4: 1, 6: 58}
ECHO, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}


@dataclass
class Packet:
    name: str
    way: str        # out, in: device and link; up, down: bridge to link and back; frombridge, tobridge: host and device
    family: int
    source: str
    target: str
    protocol: str   # udp, tcp, icmp, or a number
    sport: int = 0
    dport: int = 0
    type: int = 0   # of ICMP
    flags: int = 0  # of TCP
    peer: str = ""  # which of PEERS the far end is
    mark: int = 0
    hops: int = TTL
    answers: "Packet" = None  # the packet whose connection this is the other direction of
    about: "Packet" = None    # the packet that this error is about
    number: int = 0


def link_local(address):
    return address.startswith("fe80:")


# -- the predicate ----------------------------------------------------------------------------------------------------

def service_question(p):
    return ((p.protocol in ("udp", "tcp") and p.dport == 53) or (p.protocol == "udp" and p.dport == 123)
            or (p.protocol == "icmp" and p.type == ECHO[p.family]))


def service_answer(p):
    return ((p.protocol in ("udp", "tcp") and p.sport == 53) or (p.protocol == "udp" and p.sport == 123)
            or (p.protocol == "icmp" and p.type == ECHO_REPLY[p.family]))


def udp4(p):
    return p.family == 4 and p.protocol == "udp"


def dhcp4(p, sports, dports):
    return udp4(p) and p.sport in sports and p.dport in dports


def icmp6(p, *types):
    return p.family == 6 and p.protocol == "icmp" and p.type in types


def of_firewall_user(p):
    """The test's firewall.user admits TCP to port 22 of the device and of hosts, and all that these send from it."""
    return p.protocol == "tcp" and (p.way in ("in", "down") and p.dport == 22 or p.way in ("out", "up") and p.sport == 22)


def passes(p, asked):
    """asked: our addresses from which a DHCPv6 question has gone."""
    if of_firewall_user(p):
        return True
    is_open = p.peer in (FRIEND, LISTED)
    if p.protocol == "tcp" and p.flags == 0x10 and not p.answers and p.way in ("out", "up"):
        return False  # in the middle of a connection that nobody knows: reset
    if p.about:
        return p.way in ("in", "down") and passes(p.about, asked)
    is_answer = p.answers is not None and passes(p.answers, asked)
    # What answers a packet that was dropped is the first that conntrack sees. A SYN-ACK or an echo reply begins nothing.
    is_question = p.answers is None or not is_answer and p.protocol == "udp"
    if p.way == "out":
        if p.mark & 0x80:
            return is_question
        if dhcp4(p, [68], [67]) or icmp6(p, 131, 132, 133, 135, 136, 143):
            return True
        if p.family == 6 and p.protocol == "udp" and p.sport == 546 and p.dport == 547:
            asked.add(p.source)
            return True
        return is_question and (service_question(p) or is_open)
    if p.way == "in":
        if dhcp4(p, [67], [68]):
            return True
        if p.family == 6 and p.protocol == "udp" and p.dport == 546:
            return link_local(p.source) or p.target in asked or is_answer
        if icmp6(p, 134):
            return link_local(p.source) and p.hops == 255
        if icmp6(p, 135, 136):
            return p.hops == 255
        if icmp6(p, 130):
            return link_local(p.source)
        return is_answer and (service_answer(p) or is_open or p.answers.mark & 0x80)
    if p.way == "up":
        return is_question and (service_question(p) or is_open or udp4(p) and p.sport in (67, 68))
    if p.way == "down":
        return is_answer and (service_answer(p) or is_open or udp4(p) and p.dport in (67, 68))
    if p.way == "frombridge":
        if udp4(p) and p.dport in (67, 68):
            return True
        if p.family == 6 and p.protocol == "udp" and p.sport == 546 and p.dport == 547:
            return link_local(p.source)
        if icmp6(p, 133, 135, 136):
            return p.hops == 255
        if icmp6(p, 130):
            return link_local(p.source)
        if is_answer:
            return p.protocol == "icmp" and p.type == ECHO_REPLY[p.family]
        return is_question and p.protocol in ("udp", "tcp") and p.dport == 53
    if p.way == "tobridge":
        if udp4(p) and p.sport in (67, 68) or icmp6(p, 2, 131, 132, 135, 136, 143):
            return True
        if icmp6(p, 134):
            return link_local(p.source)
        if p.family == 6 and p.protocol == "udp" and p.sport == 547 and p.dport == 546:
            return link_local(p.source)
        if is_answer:
            return p.protocol in ("udp", "tcp") and p.sport == 53
        return is_question and p.protocol == "icmp" and p.type == ECHO[p.family]
    raise ValueError(p.way)


# -- the packets ------------------------------------------------------------------------------------------------------

BACK = {"out": "in", "in": "out", "up": "down", "down": "up", "frombridge": "tobridge", "tobridge": "frombridge"}
UDP_PORTS = [(40000, 53), (40000, 123), (123, 123), (68, 67), (67, 67), (67, 68), (68, 443), (67, 443), (443, 68), (66, 443),
             (40000, 66), (40000, 67), (40000, 68), (40000, 69), (546, 547), (547, 546), (5000, 546), (53, 40000), (123, 40001),
             (40000, 443), (40000, 7)]
TCP_PORTS = [(40000, 53), (40000, 80), (40000, 123), (53, 40000)]


def ends(way, family, peer):
    far = PEERS[family][peer]
    return {"out": (DEVICE[family], far), "in": (far, DEVICE[family]), "up": (HOST[family], far),
            "down": (far, HOST[family]), "frombridge": (HOST[family], BRIDGE[family]),
            "tobridge": (BRIDGE[family], HOST[family])}[way]


def packets():
    made = []
    port_shift = [0]

    def add(packet):
        packet.number = len(made) + 1
        made.append(packet)
        return packet

    def pair(way, family, source, target, peer, what, **fields):
        question = add(Packet(f"{way} {family} {peer or 'near'} {what}", way, family, source, target, peer=peer, **fields))
        answer = dict(fields, sport=fields.get("dport", 0), dport=fields.get("sport", 0), mark=0, flags=0x12)
        if fields["protocol"] == "icmp":
            answer["type"] = ECHO_REPLY[family]
        add(Packet(question.name + ", its answer", BACK[way], family, target, source, peer=peer, answers=question, **answer))
        return question

    for family in (4, 6):
        # Unasked packets come first, so that no question of before has opened their way.
        for way in ("in", "down", "frombridge", "tobridge", "out", "up"):
            peers = list(PEERS[family]) if way in ("in", "down", "out", "up") else [""]
            for peer in peers:
                source, target = ends(way, family, peer or STRANGER)
                for sport, dport in UDP_PORTS:
                    if sport >= 40000:  # a connection of its own for each
                        port_shift[0] += 1
                        sport += port_shift[0]
                    pair(way, family, source, target, peer, f"udp {sport}-{dport}", protocol="udp", sport=sport, dport=dport)
                for sport, dport in TCP_PORTS:
                    if sport >= 40000:
                        port_shift[0] += 1
                        sport += port_shift[0]
                    pair(way, family, source, target, peer, f"tcp {sport}-{dport}", protocol="tcp", sport=sport, dport=dport,
                         flags=0x02)
                port_shift[0] += 1
                add(Packet(f"{way} {family} {peer or 'near'} tcp midstream", way, family, source, target, "tcp",
                           30000 + port_shift[0], 80, flags=0x10, peer=peer))
                if way in ("in", "down", "out", "up"):
                    port_shift[0] += 1
                    ports = (30000 + port_shift[0], 22)
                    # A session from before the lockdown; who sends first is in the middle of it.
                    for what, flags, port in (("tcp 22", 0x02, ports), ("tcp 22 midstream", 0x10, ports),
                                              ("tcp from 22 midstream", 0x10, ports[::-1])):
                        port_shift[0] += 1
                        pair(way, family, source, target, peer, what, protocol="tcp", flags=flags,
                             **dict(zip(("sport", "dport"), (number + port_shift[0] * (number != 22) for number in port))))
                port_shift[0] += 1
                pair(way, family, source, target, peer, "ping", protocol="icmp", type=ECHO[family], sport=port_shift[0])
                types = [13, 17] if family == 4 else [139]
                for number in types:
                    add(Packet(f"{way} {family} {peer or 'near'} icmp {number}", way, family, source, target, "icmp",
                               type=number, peer=peer))
                add(Packet(f"{way} {family} {peer or 'near'} protocol 253", way, family, source, target, "253", peer=peer))
        # Errors about what was let through, and about what was not.
        for way in ("out", "up"):
            for peer in PEERS[family]:
                source, target = ends(way, family, peer)
                port_shift[0] += 1
                question = add(Packet(f"{way} {family} {peer} udp 443, for an error", way, family, source, target, "udp",
                                      30000 + port_shift[0], 443, peer=peer))
                for number in ((3, 11, 12) if family == 4 else (1, 2, 3, 4)):
                    add(Packet(f"{BACK[way]} {family} {peer} error {number}", BACK[way], family, PEERS[family][STRANGER], source,
                               "icmp", type=number, about=question))
        # Probes.
        # The daemon's bit alone and with those of others; then marks of kubelet, mwan3, wg-quick and Tailscale.
        for mark in (0x80, 0x3f80, 0x80c0, 0x4000, 0x8000, 0x3f00, 0xca6c, 0xff0000, 0x7f):
            source, target = ends("out", family, STRANGER)
            port_shift[0] += 1
            pair("out", family, source, target, STRANGER, f"tcp 80 with mark {mark:#x}", protocol="tcp",
                 sport=40000 + port_shift[0], dport=80, flags=0x02, mark=mark)

    # Neighbours, routers and listeners, of both sides, near and far, with and without a router in between.
    near = [("in", ROUTER_LL, DEVICE_LL), ("in", PEERS[6][STRANGER], DEVICE[6]), ("out", DEVICE_LL, ROUTER_LL),
            ("frombridge", HOST_LL, BRIDGE_LL), ("frombridge", HOST[6], BRIDGE[6]), ("tobridge", BRIDGE_LL, HOST_LL),
            ("tobridge", BRIDGE[6], HOST[6])]
    for way, source, target in near:
        for number in (130, 131, 132, 133, 134, 135, 136, 137, 143):
            for hops in (255, 64):
                if way == "out" and number in (130, 134, 137) or number == 143 and hops == 64:
                    continue
                made_packet = add(Packet(f"{way} 6 {source} icmp {number} hops {hops}", way, 6, source, target, "icmp", type=number,
                                         hops=hops))
                made_packet.peer = ""
    # DHCPv6 from the link's own addresses: unasked, to an address that has not asked, and after a question.
    for source, target, sport in ((ROUTER_LL, DEVICE_LL, 547), (ROUTER_LL, DEVICE_LL, 5000)):
        add(Packet(f"in 6 {source} to {target} udp {sport}-546", "in", 6, source, target, "udp", sport, 546))
    add(Packet("in 6 global to link-local udp 547-546, unasked", "in", 6, PEERS[6][STRANGER], DEVICE_LL, "udp", 547, 546))
    add(Packet("out 6 link-local udp 546-547", "out", 6, DEVICE_LL, ROUTER_LL, "udp", 546, 547))
    add(Packet("in 6 global to link-local udp 547-546, asked", "in", 6, PEERS[6][STRANGER], DEVICE_LL, "udp", 547, 546))
    add(Packet("in 6 global to link-local udp 6000-546, asked", "in", 6, PEERS[6][STRANGER], DEVICE_LL, "udp", 6000, 546))
    add(Packet("frombridge 6 link-local udp 546-547", "frombridge", 6, HOST_LL, BRIDGE_LL, "udp", 546, 547))
    add(Packet("tobridge 6 link-local udp 547-546", "tobridge", 6, BRIDGE_LL, HOST_LL, "udp", 547, 546))
    return made


# -- sending ----------------------------------------------------------------------------------------------------------

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(family, address):
    return socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, address)


def transport(p):
    """The bytes after the IP header, and the protocol's number."""
    if p.protocol == "udp":
        number, at = 17, 6
        data = struct.pack("!HHHH", p.sport, p.dport, 12, 0) + b"lab!"
    elif p.protocol == "tcp":
        number, at = 6, 16
        begin = 1000 if not p.answers else 5000
        acked = 0 if p.flags == 0x02 else 1001
        data = struct.pack("!HHIIBBHHH", p.sport, p.dport, begin, acked, 0x50, p.flags, 8192, 0, 0)
    elif p.protocol == "icmp":
        number, at = ICMP[p.family], 2
        if p.about:
            inner = ip_packet(p.about)
            rest = struct.pack("!I", 1300 if p.type in (2,) else 0) + inner[:128]
            data = struct.pack("!BBH", p.type, 0, 0) + rest
        elif p.type in (ECHO[p.family], ECHO_REPLY[p.family]):
            data = struct.pack("!BBHHH", p.type, 0, 0, p.sport or p.dport, 1) + b"lab!"
        elif p.type in (135, 136):
            data = struct.pack("!BBHI", p.type, 0, 0, 0) + packed(6, p.target)
        elif p.type == 134:
            data = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0)
        else:
            data = struct.pack("!BBH", p.type, 0, 0) + bytes(24)
    else:
        return b"lab!", int(p.protocol)
    pseudo = b""
    if p.protocol != "icmp" or p.family == 6:
        pseudo = packed(p.family, p.source) + packed(p.family, p.target) + struct.pack("!IxxxB", len(data), number)
    value = checksum(pseudo + data)
    return data[:at] + struct.pack("!H", value or 0xffff) + data[at + 2:], number


def ip_packet(p):
    data, number = transport(p)
    if p.family == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), p.number, 0, p.hops, number, 0)
        head += packed(4, p.source) + packed(4, p.target)
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data
    return struct.pack("!IHBB", 0x60000000 | p.number, len(data), number, p.hops) + packed(6, p.source) + packed(6, p.target) + data


def enter(namespace):
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def run(*words, text=None):
    return subprocess.run(words, input=text, check=True, capture_output=True, text=True).stdout


def mac_of(namespace, device):
    words = run("ip", "-n", namespace, "-o", "link", "show", "dev", device)
    return bytes.fromhex(re.search(r"link/ether ([0-9a-f:]+)", words)[1].replace(":", ""))


LISTEN = """
table inet heard {}
delete table inet heard
table inet heard {
    set ids4 { typeof ip id; flags dynamic; size 65535; }
    set ids6 { typeof ip6 flowlabel; flags dynamic; size 65535; }
    chain hear {
        type filter hook HOOK
        ip id != 0 ip ttl { 76, 77 } update @ids4 { ip id } VERDICT
        ip6 flowlabel != 0 update @ids6 { ip6 flowlabel } VERDICT
    }
}
"""


# What the device's kernel itself answers would end connections.
HUSH = """
    chain hush {
        type filter hook output priority -400
        ip ttl != 77 drop
        ip6 flowlabel 0 drop
        ip6 flowlabel > 4000 drop
    }
"""


def listen(namespace, hook, verdict, more=""):
    text = LISTEN.replace("HOOK", hook).replace("VERDICT", verdict).rstrip()[:-1] + more + "}\n"
    run("ip", "netns", "exec", namespace, "nft", "-f", "-", text=text)


def heard(namespace):
    numbers = set()
    for name in ("ids4", "ids6"):
        words = run("ip", "netns", "exec", namespace, "nft", "list", "set", "inet", "heard", name)
        found = re.search(r"elements = \{(.*?)\}", words, re.S)
        numbers |= {int(number, 0) for number in re.split(r"[,\s]+", found[1].strip())} if found else set()
    return numbers


def send(made):
    # Where it arrives: nobody there answers.
    listen("r-eth", "prerouting priority -300; policy accept;", "drop")
    listen("host", "prerouting priority -300; policy accept;", "drop")
    listen("device", "input priority 100; policy accept;", "", HUSH)
    router, host = mac_of("r-eth", "lan"), mac_of("host", "lan")
    neighbours = [("198.18.1.1", "eth0", router), ("2001:db8:1::1", "eth0", router), ("fe80::1", "eth0", router),
                  ("198.18.50.2", "br-apnet", host), ("2001:db8:50::2", "br-apnet", host), ("fe80::5", "br-apnet", host)]
    for address, device, mac in neighbours:
        run("ip", "-n", "device", "neigh", "replace", address, "lladdr", mac.hex(":"), "dev", device, "nud", "permanent")

    device_macs = {"r-eth": mac_of("device", "eth0"), "host": mac_of("device", "br-apnet")}
    wires = {}
    for namespace, own in (("r-eth", router), ("host", host)):
        enter(namespace)
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        wire.bind(("lan", 0))
        wires[namespace] = (wire, device_macs[namespace] + own)
    enter("device")
    raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
           6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
    scopes = {"out": socket.if_nametoindex("eth0"), "tobridge": socket.if_nametoindex("br-apnet")}

    for p in made:
        data = ip_packet(p)
        if p.way in ("in", "down", "up", "frombridge"):
            wire, macs = wires["r-eth" if p.way in ("in", "down") else "host"]
            wire.send(macs + (b"\x08\x00" if p.family == 4 else b"\x86\xdd") + data)
            continue
        raw[p.family].setsockopt(socket.SOL_SOCKET, socket.SO_MARK, p.mark)
        try:
            if p.family == 4:
                raw[4].sendto(data, (p.target, 0))
            else:
                raw[6].sendto(data, (p.target, 0, 0, scopes[p.way] if link_local(p.target) else 0))
        except PermissionError:
            pass  # the firewall's verdict, told to the sender

    arrived = {way: heard(namespace) for way, namespace in
               (("out", "r-eth"), ("in", "device"), ("down", "host"))}
    arrived.update(up=arrived["out"], frombridge=arrived["in"], tobridge=arrived["down"])
    return [p.number in arrived[p.way] for p in made]


def main():
    made = packets()
    if sys.argv[1] == "send":
        results = send(made)
    else:
        asked = set()
        results = [passes(p, asked) for p in made]
    for p, result in zip(made, results):
        print(f"{p.number} {p.name}: {'passes' if result else 'drops'}")


main()
