#!/bin/sh
# A captive portal answers the echo with a page, in three ways, while ping passes: the link is not confirmed,
# Wi-Fi is used.
# takes 20 s
. "$(dirname "$0")/lib.sh"

lab_up
for mode in portal portal-echo portal-greet; do
    portal eth0 "$mode"
    start_connmgr
    wait_for 5 "$mode: eth0 counts as failed" state eth0 ITFUP_SF
    wait_for 5 "$mode: wlan0 is in use" in_use wlan0
    stays 3 "$mode: wlan0 stays in use" in_use wlan0
    check "$mode: eth0 was never confirmed" not log_has '^<[0-7]> ?eth0: .* -> ITFUP_SS'
    stop_connmgr
done
check "LTE was never touched" lte_untouched
