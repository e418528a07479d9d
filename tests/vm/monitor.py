#!/usr/bin/python3
"""monitor.py SOCKET COMMAND: gives QEMU's monitor a command; fails if it does not like it."""
import socket
import sys

monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
monitor.settimeout(60)


def until_prompt():
    heard = b""
    while not heard.endswith(b"(qemu) "):
        data = monitor.recv(4096)
        if not data:
            break
        heard += data
    return heard.decode()


until_prompt()
monitor.sendall(sys.argv[2].encode() + b"\n")
answer = until_prompt()
sys.exit("Error" in answer or "unknown command" in answer)
