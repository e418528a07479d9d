#!/bin/sh
# The daemon works with limited address space (ulimit -v): the runtime reserves little that it does not use. What is private and
# dirty after the start's trim is bounded, too: 1.44 MB, most of it the tables of types. Version 0.1 had 411 MB of address space.
# takes 10 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/day.sh"

private_at_most() {
    echo "private and dirty: $(memory Private_Dirty) kB"
    [ "$(memory Private_Dirty)" -le "$1" ]
}

# shellcheck disable=SC3045 # bash and ash have it
ulimit -v 150000
begin
wait_for 10 "private and dirty: at most 1,600 kB" private_at_most 1600
echo "# private and dirty $(memory Private_Dirty) kB"
check "a command works, too" status_has 'eth0.*ITFUP_SS'
check "reload works" ask reload
unplug eth0
wait_for 2 "the cable pulled: over wlan0" in_use wlan0
check "address space: at most 150,000 kB" test "$(memory VmSize)" -le 150000
echo "# address space $(memory VmSize) kB"
