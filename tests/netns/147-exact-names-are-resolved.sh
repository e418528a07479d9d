#!/bin/sh
# A long whitelist of exact names that all exist: connmgr resolves them by itself and does its other work
# meanwhile (make soak-tests: 10,000).
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/application.sh"

soak 1000 10000
count=$HOW_MUCH
lab_up
names_up
awk -v n="$count" 'BEGIN { for (i = 1; i <= n; i++) printf "n%d.fresh.example\n", i }' >"$LAB/etc/whitelist"
began=$(now)
lockdown --dns auto
open_count() { open_in afero4 | grep -c '^198'; }
some_open() { [ "$(open_count || :)" -gt 10 ]; }
all_open() { [ "$(open_count)" -ge "$count" ]; }
wait_for 20 "names are resolved" some_open
[ "$(open_count)" -lt "$count" ] && meanwhile=1 || meanwhile=
unplug eth0
wait_for 3 "meanwhile: the cable pulled, over wlan0" in_use wlan0
wait_for 5 "meanwhile: status answers" status_has '^in use +wlan0'
plug eth0
wait_for 300 "all $count names are open" all_open
echo "# $count names in $((($(now) - began) / 100)) s, $(awk '/VmRSS/ { print $2 }' "/proc/$CONNMGR_PID/status") kB resident${meanwhile:+, the link was lost meanwhile}"
# Ask in another namespace: an answer to the device would open the address.
address=$(HOST=r-eth resolve "n$count.fresh.example" | tail -n 1)
check "the last one is reached" reaches "$address"
check "an address that no name has is shut" not reaches 198.19.255.254
stop_connmgr || status=$?
check "it ends with 0" test "${status:-0}" = 0
