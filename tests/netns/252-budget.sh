#!/bin/sh
# The monthly budget of a metered link. At 80 % there is a warning; at 100 % the link comes behind all others that
# work, also the other modem, or with --over-budget never it sends nothing more. What was used survives a restart, a
# reboot, a modem that is plugged in again and a damaged file.
# takes 70 s
. "$(dirname "$0")/lib.sh"

state=$LAB/state
names() { printf '%s\n' "WAN_INTERFACE_1='wwan1'" "$@" >"$LAB/etc/netif_names"; }
start() { start_connmgr --state-dir "$state" "$@"; }
# spend N: N pings over wwan0, 2856 bytes each.
spend() { on device ping -q -f -c "$1" -s 1400 -I wwan0 198.18.100.8 >"$LAB/ping" 2>&1; }
used() { ask status --json | sed -n 's/.*"used_bytes":\([0-9]*\).*/\1/p'; }
used_from() { [ "$(used)" -ge "$1" ] && [ "$(used)" -le "$2" ]; }
# Prints the bytes of the file.
saved() { sed -n 's/^WAN_0 [^ ]* \([0-9]*\) .*/\1/p' "$state/budget"; }
# write_state USED UNTIL: the file as another boot left it.
write_state() {
    /usr/bin/python3 - "$state/budget" "$1" "$2" <<'END'
import sys
body = f"connmgr-budget-1 another-boot\nWAN_0 wwan0 {sys.argv[2]} 0 {sys.argv[3]} 1 7 1\n"
checksum = 14695981039346656037
for byte in body.encode():
    checksum = (checksum ^ byte) * 1099511628211 % 2**64
open(sys.argv[1], "w").write(f"{body}end {checksum}\n")
END
}
is_hidden() {
    ip -n device route show default >"$LAB/routes"
    ip -n device -6 route show default >>"$LAB/routes"
    [ "$(grep -c '^unreachable default .*metric 200000000' "$LAB/routes")" = 2 ] &&
        [ "$(grep 'dev wwan0' "$LAB/routes" | grep -vc 'metric 200000001')" = 0 ] && [ "$(grep -c 'dev wwan0' "$LAB/routes")" = 2 ]
}
is_back() { ! ip -n device route show default | grep -q unreachable && ip -n device route show default | grep -q 'dev wwan0 .*metric 50'; }

lab_up
more_link wwan1
spend 10 # before the budget: it does not count
names "WAN_BUDGET_0='100K'" "WAN_BUDGET_DAY='15'"
start
check "at first nothing is used" status_has '^ budget +0 B of 100 kB, 0 %, (resets 20..-..-15 00:00 UTC|no synchronised clock yet)'
wait_for 5 "eth0 is in use" in_use eth0
spend 20
wait_for 5 "what flows is counted" used_from 57120 60000
wait_for 5 "it is written at once" test -s "$state/budget"
written=$(stat -c %i "$state/budget")
check "nothing is said" not log_has 'of its budget'
spend 9
wait_for 5 "80 %: the log warns" log_has '^<4> ?wwan0 has used 8[0-9] kB of 100 kB, 8[0-9] % of its budget'
check "so do the events" events_have 'wwan0 has used 8[0-9] kB'
check "status" status_has '^ budget +8[0-9] kB of 100 kB, 8[0-9] %'
check "the metrics" metrics_have '^connmgr_link_budget_used_bytes\{link="wwan0",kind="wan"\} 8[0-9]{4}$'
check "the JSON agrees with its schema" status_is_valid
check "its level is warning" grep -q '"level":"warning","blocked":false' "$LAB/status.json"
unplug eth0
unplug wlan0
wait_for 5 "the modem is used all the same" in_use wwan0
spend 8
wait_for 5 "100 %: the log warns" log_has '^<4> ?wwan0 has used 1[0-9]+ kB of 100 kB, 1[0-9]+ % .*: it is used only if no other link works'
wait_for 5 "the other modem is used" in_use wwan1
check "and why" log_has 'using wwan1: wwan0 is over its budget, '
unplug wwan1
wait_for 5 "nothing else works: it is used, over its budget" in_use wwan0
check "status says so" status_has '^wwan0 .*over its budget, in use'
upstream_dead eth0
plug eth0
wait_for 15 "eth0 comes back, but nothing answers over it" state eth0 ITFUP_SF
wait_for 5 "what works over its budget is better than that" in_use wwan0
plug wwan1
wait_for 25 "the other modem is back and used" in_use wwan1
upstream_alive eth0
wait_for 40 "eth0 works and is used" in_use eth0

modem_off
wait_for 5 "the modem falls off its bus" state wwan0 ITFDOWN_SU
before=$(used)
modem_on
wait_for 5 "it is back" state wwan0 ITFUP_SS
spend 2
wait_for 5 "it counts on" used_from $((before + 5712)) $((before + 20000))

# Each write makes another file.
check "flash: nothing more was written meanwhile" test "$(stat -c %i "$state/budget")" = "$written"
check "flash: although more was used" test "$(saved)" -lt "$(used)"
before=$(used)
stop_connmgr
check "the end writes what was used" test "$(saved)" -ge "$before"
spend 3
start
wait_for 10 "after a restart nothing is lost, not even what flowed meanwhile" used_from $((before + 8568)) $((before + 20000))
check "it is still over its budget" status_has '^ budget +1[0-9]+ kB of 100 kB'
stop_connmgr
modem_off
write_state 123000 0
modem_on
spend 3
start
wait_for 10 "after a reboot the device counts from zero, and nothing is lost" used_from 131568 140000
stop_connmgr

# A damaged file: the previous one counts. A hostile file, or none at all: counting begins anew.
cp "$state/budget" "$state/budget.old"
head -c 40 "$state/budget.old" >"$state/budget"
start
check "a damaged file is said" log_has "^<4> ?$state/budget: it has no end \(kept as $state/budget.bad\): using $state/budget.old"
wait_for 10 "the one before counts" used_from 131568 140000
check "it is kept" test -s "$state/budget.bad"
stop_connmgr
rm -f "$state"/budget*
mkfifo "$state/budget"
head -c 100000 /dev/urandom >"$state/budget.old"
start
check "neither a FIFO nor garbage harms it" log_has "^<4> ?$state/budget: .*what the links have used is not known, counting from now on"
wait_for 10 "counting begins" used_from 0 20000
stop_connmgr
rm -rf "$state"
: >"$state"
start
spend 2
wait_for 5 "a directory that is none: it warns that a reboot forgets" log_has "^<4> ?$state/budget: .*: a reboot forgets what the links have used"
wait_for 10 "and goes on counting" used_from 5712 20000
check "status says it" status_has 'a reboot$|forgets it'
stop_connmgr
rm "$state"

# never: nothing is sent, whatever else works.
mkdir "$state"
write_state 123000 0
start --over-budget never --wan-probe always
wait_for 5 "never: the log warns" log_has '^<4> ?wwan0 has used .* % of its budget: it is not used any more'
wait_for 5 "never: eth0 is in use" in_use eth0
wait_for 5 "never: the modem's routes are hidden" is_hidden
before=$(bytes wwan0)
unplug eth0
unplug wlan0
wait_for 5 "never: the other modem is used" in_use wwan1
unplug wwan1
wait_for 5 "never: nothing is used when nothing else works" log_has '^<[0-7]> ?in use: none'
check "never: applications are told at once" not on device ping -c 1 -W 1 198.18.100.8
check "never: status says why" status_has '^switch +none: wwan0 is over its budget|^wwan0 .*not used, over its budget'
check "never: status ends with 1" exits 1 ask status
check "never: the JSON agrees with its schema" status_is_valid
ip -n device route add default dev wwan0 metric 50
wait_for 10 "never: a DHCP client brings its route back: it is hidden again" is_hidden
check "never: not one byte was sent, and no probe" test "$(bytes wwan0)/$(probes wwan0)" = "$before/0"
plug eth0
wait_for 15 "never: eth0 is back and used" in_use eth0
check "never: the modem stays hidden" is_hidden
restart_connmgr --state-dir "$state" --over-budget never
wait_for 5 "never: also after a restart" is_hidden
unplug eth0
wait_for 5 "never: no link at all" status_has '^in use +none'
names "WAN_BUDGET_0='1G'"
check "a larger budget" exits 0 ask reload
check "is said" said_has 'WAN_BUDGET_0: 100K -> 1G'
wait_for 5 "the modem is used again" in_use wwan0
plug eth0
wait_for 25 "eth0 again" in_use eth0
wait_for 5 "the modem's route is where it was" is_back
wait_for 10 "what was used is kept" used_from 123000 200000
stop_connmgr

names "WAN_BUDGET_0='5 MB'" "WAN_BUDGET_DAY='32'"
check "check refuses bad values" exits 78 "$(connmgr_path)" check -d --config-dir "$LAB/etc" --run-dir "$LAB/run"
check "and says what to write" said_has "netif_names:2: WAN_BUDGET_0: .*write up to six digits and K, M, G or T, e.g. '500M'"
check "also for the day" said_has "netif_names:3: WAN_BUDGET_DAY: .*write a day of the month, 1 to 31"

# A link gets its first budget by a reload, while there is no descriptor for the file: the reload is refused, nothing more.
names
write_state 123000 0
cat >"$LAB/traced-connmgr" <<END
#!/bin/sh
exec strace -qq -D -o "$LAB/trace" -P "$state/budget" -e trace=open,openat -e inject=open,openat:error=EMFILE:when=1 "$(connmgr_path)" "\$@"
END
chmod +x "$LAB/traced-connmgr"
CONNMGR=$LAB/traced-connmgr
start
CONNMGR=
names "WAN_BUDGET_0='100K'"
check "too few descriptors: the reload is refused" exits 78 ask reload
check "and says why" said_has "$state/budget: Too many open files"
check "the call did fail" grep -q 'EMFILE.*INJECTED' "$LAB/trace"
check "the daemon goes on" connmgr_runs
check "without the budget" not status_has '^ budget '
check "the file is left as it is" test ! -e "$state/budget.bad"
check "the next reload takes the budget" exits 0 ask reload
wait_for 5 "with what was used before" used_from 123000 200000
stop_connmgr

# The month has ended while the device was off. Only a synchronised clock is believed at once.
names "WAN_BUDGET_0='100K'" "WAN_BUDGET_DAY='1'"
write_state 99000 1764547200
start
if log_has 'begins a new month'; then
    check "a new month: the old one does not count" used_from 0 60000
    check "it is told" events_have 'wwan0 begins a new month of its budget, 1[0-9]+ kB before'
else
    check "the clock is not synchronised: nothing is reset" used_from 99000 200000
fi
