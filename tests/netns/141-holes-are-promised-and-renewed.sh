#!/bin/sh
# How long an address stays open, and what renews it. Exact names are resolved at the start, without a
# question of an application. The same without address sets, as far as rules can do it.
# takes 30 s
# also by nft
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
TTL=4000 answer one.example 198.18.101.1
printf 'echo.example\none.example\nalias.example\n*.wild.example\n198.18.101.128/25\n' >"$LAB/etc/whitelist"
answer y.wild.example 198.18.101.6
start_connmgr --resolver 198.18.100.54
poll 30 log_has 'switched to eth0' # it listens to what is asked over eth0
not log_has 'locked in' || echo "# it was quick: the next is not what it is meant to be"
resolves y.wild.example >"$LAB/last"
wait_for 5 "what is asked while the firewall is being locked counts, too" left_between 198.18.101.6 3890 3900
wait_for 5 "an exact name is open though nobody has asked" left_between 198.18.101.1 7590 7600
wait_for 5 "an alias, too: its target's address" left_between 198.18.101.2 3890 3900
wait_for 30 "it is locked" log_has 'locked in'
check "a program that never asks gets there" reaches 198.18.101.1
open_for_ever() { [ "$(left "$1")" = 0 ]; }
check "a literal prefix is open for ever" open_for_ever 198.18.101.128/25
check "what nobody wants is shut" not reaches 198.18.101.3

TTL=60 answer x.wild.example 198.18.101.3
check "a name of a wildcard is shut until a program asks" not reaches 198.18.101.3
resolves x.wild.example >"$LAB/last"
wait_for 2 "then it is open, for an hour beyond the least TTL" left_between 198.18.101.3 3895 3900
wait_for 12 "time passes" left_between 198.18.101.3 1 3892
resolves x.wild.example >"$LAB/last"
wait_for 2 "another answer renews it" left_between 198.18.101.3 3896 3900
TTL=1000000 answer x.wild.example 198.18.101.3
resolves x.wild.example >"$LAB/last"
wait_for 2 "no TTL keeps it open for more than seven days" left_between 198.18.101.3 604790 604800

answer one.example 198.18.101.4
resolves one.example >"$LAB/last"
wait_for 2 "a name's new address is open" reaches 198.18.101.4
check "its old one still is" reaches 198.18.101.1
resolves wild.example >"$LAB/last" || :
check "the rest is still shut" not reaches 198.18.101.5
stop_connmgr

# Without sets.
iptables_only "addresses are always in sets"
by nft rules
TTL=60 answer one.example 198.18.101.1
start_by
for n in 1 2 128; do wait_for 10 "${WITH}198.18.101.$n is open though nobody has asked" reaches "198.18.101.$n"; done
check "${WITH}what nobody wants is shut" not reaches 198.18.101.6
answer y.wild.example 198.18.101.6
resolves y.wild.example >"$LAB/last"
wait_for 10 "${WITH}a name of a wildcard is open when a program has asked" reaches 198.18.101.6
answer one.example 198.18.101.4
resolves one.example >"$LAB/last"
wait_for 10 "${WITH}a name's new address is open" reaches 198.18.101.4
check "${WITH}its old one still is" reaches 198.18.101.1
