#!/bin/sh
# Another program runs `nft flush ruleset` again and again without a pause, while the device sends to a foreign address all the
# time: each time the daemon restores the lockdown. In the end everything is as it was, and the log is limited. Prints how long the
# device was open at most and how many packets got through, but does not judge that: it depends on the machine
# (make soak: 60 s).
# takes 25 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/application.sh"

soak 5 60
seconds=$HOW_MUCH
LAB_FIREWALL=nft
lab_up
names_up
printf '%s\n' '*.fresh.example' echo.example 198.18.102.0/24 2001:db8:102::/64 >"$LAB/etc/whitelist"
ip -n cloud route add local 198.18.102.0/24 dev lo
lockdown --dns auto
address=$(resolve n1.fresh.example)
wait_for 10 "a name is open" reaches "$address"
wait_for 10 "init_firewall.sh has run for the last time" sh -c '! pgrep -f "[i]nit_firewall.sh"'
rules() { on device nft -s -t list table inet connmgr; }
repairs() { ask status --json >"$LAB/status.json" || [ $? -le 3 ]; python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["firewall"]["repairs"])' "$LAB/status.json"; }
rules >"$LAB/rules.before"

# Sends to a foreign address, and prints the longest time open in milliseconds and the packets that got through. While the device is
# locked, each send is refused (EPERM). A time open counts from the last refusal before to the first after it.
cat >"$LAB/send.py" <<'END'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused = time.monotonic()
end = refused + float(sys.argv[1])
longest = sent = through = 0
is_open = False
while (now := time.monotonic()) < end:
    sent += 1
    try:
        s.sendto(b"foreign", ("198.18.100.8", 7003))
        through += 1
        is_open = True
    except PermissionError:
        refused, before = time.monotonic(), refused
        if is_open:
            longest = max(longest, refused - before)
        is_open = False
    time.sleep(0.0002)
print(f"{longest * 1000:.1f} {through} {sent}")
END
# In real time where that is possible: otherwise it measures its own wait for a processor, too.
real_time=
! /usr/bin/chrt -r 2 true 2>/dev/null || real_time='/usr/bin/chrt -r 2'
# shellcheck disable=SC2086  # words, or none
on device $real_time /usr/bin/python3 "$LAB/send.py" $((seconds + 2)) >"$LAB/sent" &
sender=$!
rounds=0
end=$(($(now) + seconds * 100))
while [ "$(now)" -lt "$end" ]; do
    on device nft flush ruleset
    rounds=$((rounds + 1))
done
wait "$sender"

# shellcheck disable=SC2046  # three words
set -- $(cat "$LAB/sent")
echo "# flushed $rounds times in $seconds s, restored $(repairs) times; open for at most $1 ms, $2 of $3 packets got through"
check "packets were sent all the time" test "$3" -ge $((seconds * 100))
check "it was flushed again and again" test "$rounds" -ge "$seconds"
# A flush that finds nothing needs no repair.
check "and restored while that went on" test "$(repairs)" -ge $((rounds / 4 + 1))
# The events of one flush come in several parts.
check "once each time" test "$(repairs)" -le $((rounds + rounds / 4 + 2))
as_before() { rules | diff "$LAB/rules.before" -; }
wait_for 20 "at rest: the rules are as they were" as_before
check "what was learned is open" reaches "$address"
check "a prefix, too" reaches 198.18.102.1
check "nothing else is" not reaches 198.18.100.8
loud() { grep -cE "^<[0-6]>.*$1" "$LAB/connmgr.log" || :; }
check "the log names the program at most 100 times ($(loud 'changed the lockdown'))" test "$(loud 'changed the lockdown')" -le 100
check "and warns at most every 8 s" test "$(loud 'again and again')" -le $((seconds / 8 + 2))
check "it still runs" connmgr_runs
