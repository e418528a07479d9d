#!/bin/sh
# After a switch the connections of applications are ended, and they make new ones over the new link at once.
# takes 10 s
. "$(dirname "$0")/lib.sh"

needs_option --keep-flows
begin
talks="tcp/198.18.100.11 tcp/2001:db8:100::11 udp/198.18.100.11 udp/2001:db8:100::11"
for talk in $talks; do
    on device "$LABTOOL" talk "${talk%/*}" "${talk#*/}" 80 >"$LAB/talk.${talk%/*}.${talk#*/}" &
done
for talk in $talks; do
    wait_for 3 "$talk: an application gets its answers" grep -q answer "$LAB/talk.${talk%/*}.${talk#*/}"
done
unplug eth0
wait_for 3 "wlan0 takes over" in_use wlan0
answered_again() { sed '1,/lost/d' "$1" | grep -q answer; }
for talk in $talks; do
    wait_for 3 "$talk: lost, and answered over the new link" answered_again "$LAB/talk.${talk%/*}.${talk#*/}"
done
