#!/bin/sh
# Another program holds the lock of iptables-legacy for long: at the start, during a reload, and on a device that was
# not locked. The earlier lockdown stays in force, and connmgr retries instead of exiting.
# takes 110 s
. "$(dirname "$0")/lib.sh"
iptables_only "the lock of iptables"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

FIREWALL=
lab_up
# hold [SECONDS]: holds the lock until release, or for that time.
hold() {
    rm -f "$LAB/held" "$LAB/free"
    flock /run/xtables.lock sh -c "echo held >'$LAB/held'; n=0; until [ -e '$LAB/free' ] || [ \$n -ge $((${1:-100} * 5)) ]; do sleep 0.2; n=\$((n + 1)); done" &
    HOLDER=$!
    poll 10 test -e "$LAB/held"
}
release() {
    : >"$LAB/free"
    wait "$HOLDER"
}
use_variant legacy
echo echo.example >"$LAB/etc/whitelist"
echo 198.18.100.10 >>"$LAB/etc/whitelist"
start_connmgr
wait_for 20 "locked" log_has 'locked in '
wait_for 5 "what is whitelisted is open" reaches 198.18.100.10
stop_connmgr
hold 25
start_connmgr
wait_for 20 "at the start the lock is held for 25 s: the lockdown of before stays" log_has '^<4> ?the lockdown of before stays in force: .*holding the xtables lock.*, retrying; .*.connmgr unlock. unlocks'
check "it is in force" not reaches 198.18.100.8
wait_for 5 "with what was open" reaches 198.18.100.10
check "nothing was closed" not log_has 'closed'
wait_for 30 "then it locks" log_has 'locked in '
check "it never ended" connmgr_runs
wait "$HOLDER"

hold
ask reload >"$LAB/last"
held_again() { [ "$(grep -c 'the lockdown of before stays in force' "$LAB/connmgr.log")" = 2 ]; }
wait_for 25 "a reload while the lock is held: the same" held_again
check "it is in force" not reaches 198.18.100.8
boot() {
    on device sh "$REPO/scripts/boot_lockdown.sh" --shut --firewall auto --script-dir "$REPO/scripts" \
        --config-dir "$LAB/etc" --run-dir "$LAB/run" >"$LAB/said" 2>&1
}
check "boot_lockdown.sh closes nothing more meanwhile" exits 1 boot
check "no table of nft" not on device nft list table inet connmgr_closed
wait_for 5 "what is whitelisted stays open" reaches 198.18.100.10
release
stop_connmgr

# Another program's rule comes first: that is no lockdown.
on device iptables -I OUTPUT -j ACCEPT
hold
start_connmgr
wait_for 60 "another program's rule in front, and the lock is held: it is no lockdown" log_has 'cannot lock the firewall: .*holding the xtables lock'
check "and does not say so" not log_has 'the lockdown of before stays in force'
release
wait_for 90 "then it locks" log_has 'locked in '
wait_for 5 "what is whitelisted is open" reaches 198.18.100.10
check "and nothing else" not reaches 198.18.100.8
stop_connmgr

# At boot the run directory may not be writable yet. A held lock is waited for all the same.
: >"$LAB/file"
hold 15
boot_anywhere() {
    on device sh "$REPO/scripts/boot_lockdown.sh" --firewall iptables --script-dir "$REPO/scripts" --config-dir "$LAB/etc" --run-dir "$LAB/file/run"
}
check "without a run directory boot_lockdown.sh tries again while the lock is held" exits 0 boot_anywhere
check "and locks" said_has '^backend: iptables'
wait "$HOLDER"
check "nothing was closed" not on device nft list table inet connmgr_closed
on device "$REPO/scripts/fwcfg.sh" unlock >/dev/null 2>&1 || :
unlock

hold
start_connmgr
wait_for 60 "not locked before, and the lock is held: it says so" log_has 'cannot lock the firewall: .*holding the xtables lock'
check "it goes on" connmgr_runs
release
wait_for 90 "and locks" log_has 'locked in '
check "it never ended" connmgr_runs
check "the device is locked" not reaches 198.18.100.8
wait_for 5 "what is whitelisted is open" reaches 198.18.100.10
stop_connmgr
