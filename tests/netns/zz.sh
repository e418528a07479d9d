# mem.sh EXE : private dirty idle, after 20 s
. "$(dirname "$0")/lib.sh"
begin
poll 10 log_has 'switched to eth0'
sleep 10
awk '/^(Rss|Private_Dirty|Private_Clean|Shared_Clean|Anonymous)/' /proc/$CONNMGR_PID/smaps_rollup
grep -E "VmSize|VmRSS|VmPeak" /proc/$CONNMGR_PID/status
ok x
