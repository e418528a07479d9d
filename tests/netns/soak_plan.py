#!/usr/bin/python3
"""soak_plan.py SEED SECONDS: the events of `make soak`, a line "SECOND EVENT WORDS" each. The same seed gives the same lines.

Each link lives its own life: it works for a while, then has one fault, then works again. Beside that other programs, people and
the daemon's own end disturb at random moments. soak.sh has a function for each event.
"""
import random
import sys

# How often each event comes, as against the others.
OTHERS = {
    "lease": 6,             # the DHCP client drops the address and asks anew
    "ra": 4,                # a router advertises itself
    "ra_ends": 2,           # a router advertises that it is none any more, and returns
    "front": 4,             # a foreign default in front, over another link
    "blackhole": 2,         # a foreign default in front that leads nowhere
    "take": 4,              # the default in front is deleted
    "flush_routes": 2,      # all defaults are deleted; their programs add them again
    "flush_rules": 3,       # iptables -F
    "flush_sets": 3,        # ipset flush
    "open_rules": 1,        # another program opens the firewall
    "reload": 4,            # with another whitelist
    "use": 1,               # a person prefers a link for a while
    "resolver": 3,          # the device's own name server ends and is started again
    "resolv_conf": 2,       # another name server in resolv.conf
    "names_stop": 2,        # the cloud's name server stands still
    "names": 6,             # a client asks for 20 new names, and connects
    "stall": 2,             # a client of the control socket says nothing
    "ask": 3,               # status, metrics, events
    "storm": 2,             # gets of attrd
    "hup": 1,
}
FAULTS = ["cable", "cable", "flap", "silent", "silent", "silent", "reset", "unreachable", "portal", "gone", "lost", "down"]


def plan(seed, seconds):
    draw = random.Random(seed)
    events = []

    def pick(choices):
        return choices[int(draw.random() * len(choices))]

    # A tenth at the end without faults: afterwards everything must be as at the start.
    end = seconds * 9 // 10
    for link in ("eth0", "wlan0", "wwan0"):
        at = 5 + draw.random() * 20
        while at < end - 3:
            fault, lasts = pick(FAULTS), min(2 + draw.expovariate(1 / 15), 60)
            if link == "wwan0" and fault in ("portal", "flap"):
                fault = "silent"
            until = min(at + lasts, end)
            events += [(at, "fault", link, fault), (until, "heal", link, fault)]
            at = until + 3 + draw.expovariate(1 / 25)

    names = [name for name, weight in OTHERS.items() for _ in range(weight)]
    at = 4.0
    while at < end:
        name, link = pick(names), pick(["eth0", "wlan0"])
        if name == "use":
            link = pick(["eth0", "wlan0", "wwan0"])
        events.append((at, name, link))
        at += 0.5 + draw.expovariate(1 / 4)

    # Kills in the first half alone: in the second one process lives long enough to show whether it grows.
    at = 12 + draw.random() * 20
    while at < seconds / 2:
        events.append((at, pick(["kill", "kill", "term"]), "-"))
        at += 30 + draw.expovariate(1 / 90)
    return sorted(events)


if __name__ == "__main__":
    for second, *words in plan(int(sys.argv[1]), int(sys.argv[2])):
        print(f"{second:.1f}", *words)
