#!/bin/sh
# The daemon works with limited address space (ulimit -v): the runtime reserves little that it does not use.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/day.sh"

# shellcheck disable=SC3045 # bash and ash have it
ulimit -v 150000
begin
check "a command works, too" status_has 'eth0.*ITFUP_SS'
check "reload works" ask reload
unplug eth0
wait_for 2 "the cable pulled: over wlan0" in_use wlan0
check "address space: at most 150,000 kB" test "$(memory VmSize)" -le 150000
echo "# address space $(memory VmSize) kB"
