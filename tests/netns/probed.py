#!/usr/bin/python3
# probed.py ADDRESS PORT MODE [udp]: a server that answers everybody in one way: silent, slow, slowtls, slowmqtt (the right answer,
# one byte a second), megabyte (by UDP the longest datagram), banner (of SSH, before it is asked), mail (likewise), close, portal (a redirect), page (another body), text, echo, wrong.
import socket, sys, threading, time

address, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
PAGE = b"<html><body>Welcome, please log in</body></html>"
ANSWERS = {
    "portal": b"HTTP/1.1 302 Found\r\nServer: portal\r\nLocation: http://portal.example/login?from=x\r\nContent-Length: 0\r\n\r\n",
    "page": b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n" + PAGE,
    "text": b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nNetworkManager is online",
    "broken": b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
    "wrong": b"\x00nothing that anybody asked for",
}
SLOW = {
    "slow": b"HTTP/1.1 204 No Content\r\n\r\n",
    "slowtls": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",  # RFC 8446: a record with a ServerHello
    "slowmqtt": b"\x20\x02\x00\x00",  # CONNACK
}


def write(*words):
    print(*words, flush=True)


def serve(client):
    with client:
        try:
            if mode in ("banner", "mail"):
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" if mode == "banner" else b"220 mail.example ESMTP\r\n")
            asked = client.recv(4096) if mode != "close" else b""
            if mode in SLOW:
                for byte in SLOW[mode]:
                    client.sendall(bytes([byte]))
                    time.sleep(1)
            elif mode == "megabyte":
                sent = 0
                try:
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\nNetworkManager is online")
                    for _ in range(1024):
                        sent += client.send(b"x" * 1024)
                finally:
                    write("sent", sent)
            elif mode == "echo":
                client.sendall(asked)
            elif mode in ANSWERS:
                client.sendall(ANSWERS[mode])
            if mode not in ("close", "text"):
                client.recv(1)  # the other side ends it
        except OSError:
            pass


if sys.argv[4:] == ["udp"]:
    service = socket.socket(family, socket.SOCK_DGRAM)
    service.bind((address, port))
    write("listening")
    while True:
        asked, client = service.recvfrom(4096)
        if mode in ("wrong", "megabyte"):
            service.sendto(ANSWERS["wrong"] if mode == "wrong" else b"x" * 60000, client)
listener = socket.create_server((address, port), family=family, backlog=64)
write("listening")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
