#!/usr/bin/python3
# probed.py ADDRESS PORT MODE [udp], or probed.py ADDRESS PORT:MODE[:udp]...: servers that answer everybody in one way: silent, slow, slowtls,
# slowmqtt (the right answer, one byte a second), late (the right answer after 5 s), megabyte (by UDP the longest datagram), banner (of SSH, before
# it is asked), mail (likewise), close, portal (a redirect), page (another body), text, apple, 204, echo, tls, alert, mqtt, coap (right answers), wrong.
import socket, sys, threading, time

address = sys.argv[1]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
PAGE = b"<html><body>Welcome, please log in</body></html>"
ANSWERS = {
    "portal": b"HTTP/1.1 302 Found\r\nServer: portal\r\nLocation: http://portal.example/login?from=x\r\nContent-Length: 0\r\n\r\n",
    "page": b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n" + PAGE,
    "text": b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nNetworkManager is online",
    "apple": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 68\r\n\r\n"
             b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",  # RFC 8446, 6: fatal, handshake_failure
    "mqtt": b"\x20\x02\x00\x00",  # CONNACK
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


def server_hello(asked):
    """A ServerHello of TLS 1.3 that repeats the session id of the ClientHello (RFC 8446, 4.1.3)."""
    session = asked[44:76]  # after the headers of record and message, the version, 32 random bytes and a length
    extensions = b"\x00\x2b\x00\x02\x03\x04"
    body = b"\x03\x03" + bytes(32) + b"\x20" + session + b"\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


def serve(client, mode):
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
            elif mode in ("echo", "late"):
                time.sleep(5 if mode == "late" else 0)
                client.sendall(asked)
            elif mode == "tls":
                client.sendall(server_hello(asked))
            elif mode in ANSWERS:
                client.sendall(ANSWERS[mode])
            if mode not in ("close", "text"):
                client.recv(1)  # the other side ends it
        except OSError:
            pass


def serve_datagrams(service, mode):
    while True:
        asked, client = service.recvfrom(4096)
        reset = b"\x70\x00" + asked[2:4]  # RFC 7252, 4.3
        answer = {"wrong": ANSWERS["wrong"], "megabyte": b"x" * 60000, "coap": reset, "late": reset}.get(mode)
        time.sleep(5 if mode == "late" else 0)
        if answer:
            service.sendto(answer, client)


def serve_connections(listener, mode):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], mode), daemon=True).start()


specs = sys.argv[2:] if ":" in sys.argv[2] else [":".join(sys.argv[2:])]
threads = []
for port, mode, *udp in (spec.split(":") for spec in specs):
    if udp:
        service = socket.socket(family, socket.SOCK_DGRAM)
        service.bind((address, int(port)))
    else:
        service = socket.create_server((address, int(port)), family=family, backlog=64)
    threads.append(threading.Thread(target=serve_datagrams if udp else serve_connections, args=(service, mode)))
write("listening")
for thread in threads:
    thread.start()
