#!/bin/sh
# After a reload without a name or prefix its addresses are closed and their connections end; all others
# continue. A whitelist with a bad line is refused, and nothing changes.
# takes 20 s
# also by nft
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/holes.sh"

lab_up
names_up
answer one.example 198.18.101.1
answer x.wild.example 198.18.101.3
printf 'echo.example\none.example\n*.wild.example\n198.18.101.128/25\n198.18.101.4\n' >"$LAB/etc/whitelist"
start_connmgr --resolver 198.18.100.54
wait_for 5 "locked" log_has 'locked in'
wait_for 5 "one.example is open" reaches 198.18.101.1
resolves x.wild.example >"$LAB/last"
for n in 1 3 4 129; do
    nsenter --net=/run/netns/device "$LABTOOL" talk tcp 198.18.101.$n 80 >"$LAB/talk.$n" 2>&1 &
done
talks() { tail -n 1 "$LAB/talk.$1" | grep -q answer; }
is_over() { grep -qE 'lost|failed' "$LAB/talk.$1"; }
for n in 1 3 4 129; do wait_for 3 "a connection to 198.18.101.$n is open" talks $n; done
# A client that only listens, and would not notice for hours.
listen() { { on device socat -u "TCP:198.18.101.$1:80" OPEN:/dev/null 2>/dev/null || :; echo over >"$LAB/listener.$1"; } & }
for n in 1 129; do listen $n; done
listens() { [ "$(on device ss -Htn state established dst "198.18.101.$1" | wc -l)" = 2 ]; }
for n in 1 129; do wait_for 3 "a server listens at 198.18.101.$n" listens $n; done

printf 'echo.example\none.example\nbad line\n' >"$LAB/etc/whitelist"
check "a reload with a bad line is refused" not ask reload
check "with file and line" log_has 'whitelist:3: '
check "nothing has changed" reaches 198.18.101.3
rm "$LAB/etc/whitelist"
check "a reload without the file is refused" not ask reload
check "nothing has changed" reaches 198.18.101.3

printf 'echo.example\none.example # the only one\n' >"$LAB/etc/whitelist"
check "reload" ask reload
wait_for 2 "a name that is gone: its connection ends" is_over 3
wait_for 2 "an address that is gone: its connection ends" is_over 4
wait_for 2 "a prefix that is gone: its connection ends" is_over 129
check "a name that is still there goes on" not is_over 1
wait_for 3 "who only listens to what is gone is told" test -e "$LAB/listener.129"
check "who listens to what is still there goes on" not test -e "$LAB/listener.1"
for n in 3 4 129; do wait_for 3 "198.18.101.$n is shut" not reaches 198.18.101.$n; done
out_of_the_set() { for n in 3 4 128/25; do [ -z "$(left 198.18.101.$n)" ] || return; done; }
wait_for 3 "they are out of the set" out_of_the_set
check "a new connection to the one that is still there" reaches 198.18.101.1

printf 'echo.example\n*.example\n*.one.example\n198.18.101.0/24' >"$LAB/etc/whitelist"
check "a wildcard that is too wide is refused" not ask reload
printf 'echo.example\r\n\t198.18.101.1 # a literal\r\ntwo.example' >"$LAB/etc/whitelist"
check "CRLF, tabs, no final newline: reload" ask reload
wait_for 3 "a new exact name is open though nobody has asked" reaches 198.18.101.2
wait_for 3 "an address that came to be literal stays open" left_between 198.18.101.1 0 0
wait_for 3 "its connection has never ended" talks 1
check "not even for a moment" not is_over 1
