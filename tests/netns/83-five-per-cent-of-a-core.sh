#!/bin/sh
# The daemon gets 5 % of a core, as beside a busy application with `CPUQuota=5%` or on a very slow device: it starts, learns names,
# leaves a pulled cable and comes back, and no link is declared dead because the daemon is slow.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"

# A control group of version 1 or 2, if this machine lets us make one.
for group_root in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
    GROUP=$group_root/connmgr-lab-$$-${LAB##*/}
    if ! [ -d "$group_root" ] || ! mkdir "$GROUP" 2>/dev/null; then GROUP=''; continue; fi
    if [ -e "$GROUP/cpu.cfs_quota_us" ]; then
        { echo 100000 >"$GROUP/cpu.cfs_period_us" && echo 5000 >"$GROUP/cpu.cfs_quota_us"; } 2>/dev/null && break
    else
        echo '5000 100000' 2>/dev/null >"$GROUP/cpu.max" && break
    fi
    rmdir "$GROUP"
    GROUP=''
done
[ -n "$GROUP" ] || { skip "no control group with a limit of the processor can be made here"; exit 0; }
# shellcheck disable=SC2317 # the trap calls it
leave_group() {
    [ -z "$CONNMGR_PID" ] || kill -KILL "$CONNMGR_PID" 2>/dev/null || :
    poll 10 rmdir "$GROUP" || :
    finish
}
trap leave_group EXIT
throttled() { awk '$1 == "nr_throttled" { n = $2 } END { exit !(n > 0) }' "$GROUP/cpu.stat"; }

lab_up
names_up
# The daemon is in the group from its first instruction: this shell enters it for the moment in which it starts the daemon.
FIREWALL=
echo $$ >"$GROUP/cgroup.procs"
spawn_connmgr --resolver 198.18.100.55
if [ -e "$GROUP/cpu.max" ]; then echo $$ >"${GROUP%/*}/cgroup.procs"; else echo $$ >"${GROUP%/*}/tasks"; fi

wait_for 60 "it locks" log_has 'locked in .*DNS: '
wait_for 60 "eth0 is in use, it and wlan0 are confirmed" settled
check "fresh names: none is lost" none_lost device 50 1
unplug eth0
wait_for 10 "a pulled cable: wlan0 is in use" in_use wlan0
plug eth0
configure eth0
wait_for 60 "eth0 is in use again" in_use eth0
check "a fresh name after it" none_lost device 5 100
check "no link was declared dead" not log_has ' -> ITFUP_SF'
check "status answers" ask status
check "it was really held back" throttled
