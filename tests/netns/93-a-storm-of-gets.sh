#!/bin/sh
# attrd asks 10,000 times a second for 5 s: each question is answered, and the daemon's memory does not grow.
# takes 15 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
start_attrd
begin
rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$CONNMGR_PID/status"; }
storm() {
    answered=$(grep -c ' answers ' "$LAB/attrd.log" || :)
    tell_attrd "storm 65008 10000 $1"
    poll $(($1 / 1000 + 60)) storm_is_over
}
storm_is_over() { [ "$(grep -c ' answers ' "$LAB/attrd.log")" -gt "$answered" ]; }
storm 5000 # the process still grows until the first garbage collections
before=$(rss)
storm 5000
check "50,000 questions are answered" grep -qE ' answers 50000 of 50000 values 50000 ' "$LAB/attrd.log"
flat() { [ "$(rss)" -le $((before + 512)) ]; }
check "memory is flat" flat
echo "# RSS $before KiB before, $(rss) KiB after; $(grep ' answers 50000' "$LAB/attrd.log" | cut -d' ' -f2-)"
unplug eth0
wait_for 1 "wlan0 takes over" in_use wlan0
