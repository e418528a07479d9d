#!/bin/sh
# The file system of the run directory is full.
# takes 5 s
. "$(dirname "$0")/lib.sh"

lab_up
mkdir -p "$LAB/run"
mount -t tmpfs -o size=64k tmpfs "$LAB/run"
dd if=/dev/zero of="$LAB/run/full" bs=4096 2>"$LAB/last" || :
start_connmgr
wait_for 5 "eth0 is in use and confirmed" settled
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
