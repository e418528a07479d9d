"""advertise.py DEVICE COUNT FIRST [LIFETIME [PREFERENCE]]: COUNT routers advertise themselves once, at once.

The first one has the address fe80::bad:FIRST. LIFETIME is in seconds, 1800 by default; 0 says that it is no
router any more. PREFERENCE is high, medium or low (RFC 4191).
"""
import socket
import struct
import sys
import time

ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
ADVERTISEMENT, ICMP6, ETHERNET_IPV6 = 134, 58, 0x86dd
PREFERENCES = {"high": 0x08, "medium": 0, "low": 0x18}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff - total


def frame(number, hardware, lifetime, flags):
    source = socket.inet_pton(socket.AF_INET6, f"fe80::bad:{number:x}")
    body = struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 64, flags, lifetime, 0, 0)
    total = checksum(source + ALL_NODES + struct.pack("!II", len(body), ICMP6) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), ICMP6, 255) + source + ALL_NODES
    return bytes.fromhex("333300000001") + hardware + struct.pack("!H", ETHERNET_IPV6) + header + body


def main():
    device, count, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3], 16)
    lifetime = int(sys.argv[4]) if len(sys.argv) > 4 else 1800
    flags = PREFERENCES[sys.argv[5] if len(sys.argv) > 5 else "medium"]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((device, ETHERNET_IPV6))
        hardware = sender.getsockname()[4]
        for number in range(first, first + count):
            packet = frame(number, hardware, lifetime, flags)
            while True:
                try:
                    sender.send(packet)
                    break
                except BlockingIOError:
                    time.sleep(0.001)
                except OSError:
                    return  # the cable has been pulled


main()
