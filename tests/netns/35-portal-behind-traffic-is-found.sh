#!/bin/sh
# A captive portal that passes some traffic is detected within a minute, whatever that traffic is.
# takes 75 s
. "$(dirname "$0")/lib.sh"

begin
on device "$LABTOOL" talk udp 198.18.100.11 80 >"$LAB/talk" &
wait_for 5 "an application gets its answers" grep -q answer "$LAB/talk"
portal eth0 portal
wait_for 65 "eth0 is left: wlan0 is in use" in_use wlan0
check "eth0 counts as failed" state eth0 ITFUP_SF
