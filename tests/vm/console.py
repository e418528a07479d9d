#!/usr/bin/python3
"""console.py SOCKET SECONDS COMMAND: runs a line of shell on the machine's serial line, prints what it prints, ends as it ends.

75: no answer within so many seconds."""
import os
import re
import socket
import sys
import time

path, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3]
mark = f"@{os.getpid()}.{time.monotonic_ns()}"
console = socket.socket(socket.AF_UNIX)
console.connect(path)
end = time.monotonic() + seconds
# Split, so that an echo of the line itself is not taken for the answer.
console.sendall(f"echo {mark[:3]}''{mark[3:]}:; {{ {command}\n}} 2>&1; echo {mark[:3]}''{mark[3:]}=$?\n".encode())
heard = ""
while (found := re.search(re.escape(mark) + ":\r?\n(.*?)" + re.escape(mark) + r"=(\d+)", heard, re.S)) is None:
    left = end - time.monotonic()
    if left <= 0:
        sys.exit(75)
    console.settimeout(left)
    try:
        data = console.recv(65536)
    except socket.timeout:
        sys.exit(75)
    if not data:
        sys.exit(75)
    heard += data.decode(errors="replace")
sys.stdout.write(found[1].replace("\r\n", "\n"))
sys.exit(int(found[2]))
