#!/usr/bin/python3
"""soak_check.py SECONDS: asks the kernel once a second what `make soak` must always find, and prints a table with the longest
violation of each invariant. Exit status 1 if one was longer than its limit.

It knows the lab's faults from files that soak.sh makes before a fault and removes after it ($LAB/faults/LINK), everything else
from the kernel: addresses, routes, where a packet would go, what is answered, /proc/PID of the daemon.
"""
import ctypes
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

LAB = os.environ["LAB"]
CLOUD = {4: "198.18.100.10", 6: "2001:db8:100::10"}
FOREIGN = "198.18.100.8"
DNS, PORT, EAR = "198.18.100.55", 80, 7003
KINDS = {"eth": "00", "wla": "01", "wwa": "02"}         # attribute 65008
LIBC = ctypes.CDLL(None, use_errno=True)
SLOW = float(os.environ.get("SOAK_SLOW", "1"))          # limits of time are multiplied by that


class Invariant:
    def __init__(self, name, limit, is_rare=False):
        self.name, self.limit, self.is_rare = name, limit, is_rare
        self.since, self.longest, self.at, self.bad, self.seen, self.note, self.why = None, 0.0, 0.0, 0, 0, "", ""

    def take(self, now, holds, note=""):
        """holds: True, False, or None if nothing can be said in this second."""
        if holds is None:
            return
        self.seen += 1
        if not holds:
            self.bad += 1
            if self.since is None:
                self.since, self.why = now, note
                print(f"{now:8.1f} violated: {self.name}: {note}", flush=True)
        # It counts until it is seen to hold again.
        if self.since is not None and (now - self.since > self.longest or not self.longest):
            self.longest, self.at, self.note = max(now - self.since, 0.1), self.since, self.why
        if holds and self.since is not None:
            print(f"{now:8.1f} again after {now - self.since:.1f} s: {self.name}", flush=True)
            self.since = None

    def is_kept(self):
        return self.longest <= self.limit and (self.seen > 0 or self.is_rare)


class Host:
    """Opens sockets in a network namespace."""

    def __init__(self, name):
        self.file = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    def socket(self, family, kind):
        if LIBC.setns(self.file, 0x40000000) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made


def ip(*words):
    done = subprocess.run(["ip", "-n", "device", "-j", *words], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.stdout.startswith("[") else []


def faults():
    return {name: os.stat(f"{LAB}/faults/{name}").st_ino for name in sorted(os.listdir(f"{LAB}/faults"))}


class Truth:
    """What leads where, and over which links the cloud can be reached, in each family."""

    def __init__(self):
        self.faults = faults()
        links = ip("address", "show")
        self.works = {4: set(), 6: set()}
        self.leads = {4: None, 6: None}
        for family in (4, 6):
            with_route = {hop.get("dev") for route in ip(f"-{family}", "route", "show", "default")
                          for hop in route.get("nexthops", [route]) if route.get("type") is None
                          and not {"dead", "linkdown"} & set(hop.get("flags", []))}
            for link in links:
                name = link.get("ifname", "")
                addressed = any(a.get("family") == {4: "inet", 6: "inet6"}[family] and a.get("scope") == "global"
                                and not a.get("tentative") for a in link.get("addr_info", []))
                if ({"UP", "LOWER_UP"} <= set(link.get("flags", [])) and addressed and name in with_route
                        and name[:3] in KINDS and name not in self.faults):
                    self.works[family].add(name)
            found = ip(f"-{family}", "route", "get", CLOUD[family])
            if found and found[0].get("type") is None:
                self.leads[family] = found[0].get("dev")

    def is_fine(self, family):
        return self.leads[family] in self.works[family]


def question(number, name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def attribute():
    """What attrd says about attribute 65008, the network type."""
    try:
        return subprocess.run([os.environ["ATTRC"], "-s", os.environ["ATTRD_SOCKET"], "get", "65008"], capture_output=True,
                              text=True, timeout=3, check=False).stdout.split()
    except subprocess.TimeoutExpired:
        return ["no answer"]


class Tries:
    """Connections that are begun at once; whether they are there is seen at the end of the second."""

    def __init__(self, device):
        self.device, self.made = device, {}

    def begin(self, name, address, port=PORT):
        made = self.device.socket(socket.AF_INET, socket.SOCK_STREAM)
        status = made.connect_ex((address, port))
        if status not in (0, errno.EINPROGRESS):
            made.close()
            self.made[name] = None
        else:
            self.made[name] = made

    def end(self):
        got = {}
        for name, made in self.made.items():
            got[name] = False
            if made is None:
                continue
            if select.select([], [made], [], 0)[1]:
                got[name] = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            made.close()
        return got


def drained(ear):
    count = 0
    while True:
        try:
            ear.recv(2048)
            count += 1
        except BlockingIOError:
            return count


def words_of(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except (OSError, ValueError):
        return []


class Daemon:
    def __init__(self):
        self.pid, self.woken, self.looked_at = None, None, 0.0

    def look(self):
        """Returns kB, descriptors, children and wake-ups a second since the last look; None if the daemon does not run."""
        pid = (words_of(f"{LAB}/pid") or [None])[0]
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
            if status["State"].split()[0] == "Z":
                return None
            tasks = os.listdir(f"/proc/{pid}/task")
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return None
        children, woken = 0, 0
        for task in tasks:
            children += len(words_of(f"/proc/{pid}/task/{task}/children"))
            words = words_of(f"/proc/{pid}/task/{task}/status")
            woken += int(words[words.index("voluntary_ctxt_switches:") + 1]) if words else 0
        before, self.woken = self.woken if pid == self.pid else None, woken
        since, self.looked_at = self.looked_at, time.monotonic()
        self.pid = pid
        rate = None if before is None else round((woken - before) / (self.looked_at - since))
        return int(status["VmRSS"].split()[0]), descriptors, children, rate


def median(numbers):
    return sorted(numbers)[len(numbers) // 2] if numbers else 0


class Checker:
    def __init__(self):
        self.device, self.cloud = Host("device"), Host("cloud")
        self.ears = [(self.cloud.socket(socket.AF_INET, socket.SOCK_DGRAM), "went out"),
                     (self.device.socket(socket.AF_INET, socket.SOCK_DGRAM), "came in")]
        self.ears[0][0].bind((FOREIGN, EAR))
        self.ears[1][0].bind(("0.0.0.0", EAR))
        self.daemon = Daemon()
        self.answered, self.foreign, self.pending = {}, {}, {}
        self.samples = []
        limit = 20 * SLOW
        self.leads4 = Invariant("IPv4 leads over a link that works, if there is one", limit)
        self.leads6 = Invariant("IPv6 leads over a link that works, if there is one", limit)
        self.shut = Invariant("nothing foreign is reached, and reaches us", 0)
        self.opened = Invariant("the same after another program opened the firewall", 10 * SLOW, is_rare=True)
        self.names = Invariant("an answered whitelisted name is reached", 10 * SLOW)
        self.agree = Invariant("the attribute says where the default leads", 5 * SLOW)
        self.runs = Invariant("the daemon runs", 5 * SLOW)
        self.memory = Invariant("resident memory at most 9,000 kB", 0)
        self.descriptors = Invariant("at most 64 descriptors", 0)
        self.children = Invariant("at most 1 child", 10 * SLOW)
        self.wakes = Invariant("at most 100 wake-ups a second", 10 * SLOW)
        self.all = [self.leads4, self.leads6, self.shut, self.opened, self.names, self.agree, self.runs,
                    self.memory, self.descriptors, self.children, self.wakes]

    def second(self, number, now):
        """Returns what became of this second's connections and questions, and what attrd says."""
        server = (words_of("/etc/resolv.conf") or ["nameserver", DNS])[1]
        tries = Tries(self.device)
        tries.begin("foreign", FOREIGN)
        new, old = self.answered.get(number - 1), self.answered.get(number - 30)
        for name, address in (("new", new), ("old", old)):
            if address:
                tries.begin(name, address)
        if self.foreign.get(number - 1):
            tries.begin("foreign name", self.foreign[number - 1])
        asked = self.device.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            asked.sendto(b"x", (FOREIGN, EAR))
        except OSError:
            pass
        # The number selects the address: no foreign name has the address of one that was asked for.
        for kind, table, first in (("fresh", self.answered, 0), ("foreign", self.foreign, 32000)):
            table.pop(number - 60, None)
            try:
                name = f"n{number % 16000 + first + 16000}.{kind}.example"
                asked.sendto(question(number * 2 + (kind == "fresh"), name), (server, 53))
            except OSError:
                pass
        said = attribute()
        time.sleep(max(0.0, now + 0.85 - time.monotonic()))

        got = tries.end()
        while True:
            try:
                reply = asked.recv(2048)
            except OSError:
                break
            if len(reply) > 12 and reply[6:8] != b"\0\0":
                is_fresh = struct.unpack(">H", reply[:2])[0] == (number * 2 + 1) & 0xFFFF
                (self.answered if is_fresh else self.foreign)[number] = socket.inet_ntoa(reply[-4:])
        asked.close()
        heard = [f"{drained(ear)} packets {way}" for ear, way in self.ears if select.select([ear], [], [], 0)[0]]
        return got, heard, said

    def judge(self, now, before, after, got, heard, said):
        still = before.faults == after.faults and before.leads == after.leads
        for family, invariant in ((4, self.leads4), (6, self.leads6)):
            holds = None if not before.works[family] & after.works[family] else before.is_fine(family) or after.is_fine(family)
            invariant.take(now, holds, f"over {after.leads[family]}, {' '.join(sorted(after.works[family]))} works")

        leaks = heard + [name for name in ("foreign", "foreign name") if got.get(name)]
        try:
            was_opened = time.time() - os.stat(f"{LAB}/opened").st_mtime < 12 * SLOW
        except OSError:
            was_opened = False
        (self.opened if was_opened else self.shut).take(now, not leaks, ", ".join(leaks))

        if still and before.is_fine(4) and ("new" in got or "old" in got):
            lost = [name for name in ("new", "old") if name in got and not got[name]]
            self.names.take(now, not lost, f"{' '.join(lost)} over {after.leads[4]}")
        if before.leads[4] == after.leads[4] and after.leads[4]:
            kind = KINDS.get(after.leads[4][:3])
            self.agree.take(now, bool(said) and said[-1] == kind, f"{' '.join(said) or 'nothing'}, leads over {after.leads[4]}")

        looked = self.daemon.look()
        self.runs.take(now, looked is not None, "no process")
        if looked:
            kilobytes, descriptors, children, woken = looked
            self.memory.take(now, kilobytes <= 9000, f"{kilobytes} kB")
            self.descriptors.take(now, descriptors <= 64, f"{descriptors} descriptors")
            self.children.take(now, children <= 1, f"{children} children")
            if woken is not None:
                self.wakes.take(now, woken <= 100, f"{woken} wake-ups")
                self.samples.append((kilobytes, descriptors, children, woken))

    def table(self, seconds):
        print(f"\n{'always':52} {'limit':>6} {'longest':>8} {'since':>7} {'bad':>5} of seconds")
        for i in self.all:
            note = "" if i.is_kept() else "  MISSED: " + (i.note if i.seen else "never looked at")
            print(f"{i.name:52} {i.limit:4.0f} s {i.longest:6.1f} s {i.at:7.0f} {i.bad:5} {i.seen}{note}")
        # Kills are in the first half; the second one shows whether the process grows.
        half = self.samples[len(self.samples) // 2:]
        part = max(1, len(half) // 5)
        print(f"\n{'flat (medians)':52} {'middle':>8} {'end':>8} {'limit':>8}")
        kept = True
        for column, (name, more) in enumerate((("resident memory, kB", 700), ("descriptors", 4), ("children", 1), ("wake-ups a second", 10))):
            first, last = median([s[column] for s in half[:part]]), median([s[column] for s in half[-part:]])
            fails = last > first + more
            kept &= not fails
            print(f"{name:52} {first:8} {last:8} {first + more:8}{'  MISSED' if fails else ''}")
        print(f"{seconds:.0f} s, {len(self.samples)} looks")
        return kept and all(i.is_kept() for i in self.all)


def main():
    seconds = int(sys.argv[1])
    checker = Checker()
    began = time.monotonic()
    number, after = 0, Truth()
    while time.monotonic() - began < seconds:
        number += 1
        now = time.monotonic()
        before, found, after = after, checker.second(number, now), Truth()
        checker.judge(now - began, before, after, *found)
        time.sleep(max(0.0, now + 1 - time.monotonic()))
    sys.exit(0 if checker.table(time.monotonic() - began) else 1)


if __name__ == "__main__":
    main()
