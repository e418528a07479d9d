#!/bin/sh
# OpenWrt's ujail is killed. Before procd of August 2026, the process inside survived. In this case the daemon ends by
# itself, so that the next one gets the lock. If any other parent ends, the daemon continues.
# takes 10 s
. "$(dirname "$0")/lib.sh"

CONNMGR=$(connmgr_path)
REAL=$CONNMGR
export REAL
# in_jail NAME: starts it as the child of a process that is called NAME.
in_jail() {
    cat >"$LAB/jail" <<STUB
#!/bin/bash
exec -a "$1" sh -c '"\$REAL" "\$@" & echo \$! >"\$LAB/pid"; wait' sh "\$@"
STUB
    chmod +x "$LAB/jail"
    CONNMGR=$LAB/jail
    start_connmgr
    CONNMGR=$REAL
    jailed=$(cat "$LAB/pid")
}
ended() { [ ! -d "/proc/$jailed" ]; }
is_program() { [ "$(readlink "/proc/$jailed/exe")" = "$REAL" ]; }

lab_up
in_jail /sbin/ujail
check "a daemon in a jail" is_program
kill -KILL "$CONNMGR_PID"
wait_for 5 "the jail is killed: the daemon ends" ended
check "as if it was asked to" log_has 'stopping: SIGTERM$'

in_jail /bin/launcher
check "a daemon below another program gets the lock" is_program
kill -KILL "$CONNMGR_PID"
stays 2 "that program is killed: the daemon stays" is_program
kill "$jailed"
wait_for 5 "it ends when it is asked to" ended
