#!/bin/sh
# Strict reverse-path filtering would drop the answers on the links that are not in use: the daemon sets it to
# loose, also for links that appear later, and logs it.
# takes 10 s
. "$(dirname "$0")/lib.sh"

lab_up
filter() { on device cat "/proc/sys/net/ipv4/conf/$1/rp_filter"; }
# shellcheck disable=SC2016  # the inner shell's business
on device sh -c 'for f in all default eth0 wlan0; do echo 1 >/proc/sys/net/ipv4/conf/$f/rp_filter; done'
start_connmgr
wait_for 5 "wlan0 is confirmed although eth0 is in use" settled
loose() { [ "$(filter "$1")" = 2 ]; }
wait_for 3 "eth0 is loose" loose eth0
wait_for 3 "wlan0 is loose" loose wlan0
check "the log says so" log_has 'rp_filter'
ip -n device link delete wlan0
wait_for 5 "wlan0 vanishes" state wlan0 ITFDOWN_SU
new_link wlan0
wait_for 5 "wlan0 appears again: it is confirmed" state wlan0 ITFUP_SS
wait_for 3 "wlan0 is loose again" loose wlan0
