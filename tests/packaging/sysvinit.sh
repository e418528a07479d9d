# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# The sysvinit script, with a stub for the daemon: it locks first, restarts the daemon, and stops it.

export CONNMGR_ROOT="$work/sysvinit"
init=$repo/scripts/sysvinit/connmgr
mkdir -p "$CONNMGR_ROOT/usr/sbin" "$CONNMGR_ROOT/usr/lib/af-conn" "$CONNMGR_ROOT/etc/default"
events=$CONNMGR_ROOT/events
export events
cat >"$CONNMGR_ROOT/usr/lib/af-conn/boot_lockdown.sh" <<'END'
#!/bin/sh
echo "lockdown $*" >>"$events"
END
# Exits with the status in the file "end", else runs until SIGTERM, and then takes a moment to end.
cat >"$CONNMGR_ROOT/usr/sbin/connmgr" <<'END'
#!/bin/sh
echo "daemon $*" >>"$events"
trap 'sleep 0.3; echo stopped >>"$events"; exit 0' TERM
[ ! -e "$CONNMGR_ROOT/end" ] || exit "$(cat "$CONNMGR_ROOT/end")"
while :; do sleep 0.1; done
END
chmod +x "$CONNMGR_ROOT/usr/lib/af-conn/boot_lockdown.sh" "$CONNMGR_ROOT/usr/sbin/connmgr"
echo "CONNMGR_OPTIONS='--idle 30'" >"$CONNMGR_ROOT/etc/default/connmgr"
# insserv and update-rc.d read the header, up to this line exactly.
header=$(sed -n '/^### BEGIN INIT INFO$/,$p' "$init" | sed '/^### END INIT INFO$/q')
check "sysvinit: the header ends where insserv looks for its end" test "$(echo "$header" | tail -n 1)" = '### END INIT INFO'
check "sysvinit: between them there are keywords alone" test "$(echo "$header" | sed '1d; $d' | grep -vE '^# [A-Z][A-Za-z-]+:|^#  ')" = ''
# Debian brings up the network in the runlevel S: one that starts later would leave the device open until then.
check "sysvinit: it starts in the network's runlevel, before the network" test "$(echo "$header" |
    sed -n 's/^# Default-Start: *//p; s/^# X-Start-Before: *//p' | paste -sd' ')" = '$network networking S'

happened() { grep -qx -- "$1" "$events"; }
at_least() { [ "$(grep -cx -- "$2" "$events")" -ge "$1" ]; }

for shell in sh 'busybox ash'; do
    run_init() { $shell "$init" "$1"; }
    : >"$events"
    check "sysvinit: $shell: it is not running" not run_init status
    check "sysvinit: $shell: start" run_init start
    check "sysvinit: $shell: the lockdown comes first" test "$(sed -n 1p "$events")" = 'lockdown --idle 30'
    wait_for 20 "sysvinit: $shell: the daemon gets its options" happened 'daemon --idle 30'
    check "sysvinit: $shell: it is running" run_init status
    check "sysvinit: $shell: started again, it says so and does nothing" sh -c "$shell '$init' start | grep -q already"
    check "sysvinit: $shell: stop" run_init stop
    check "sysvinit: $shell: waits until the daemon has ended" happened stopped
    check "sysvinit: $shell: it is not running any more" not run_init status
    check "sysvinit: $shell: there was one daemon" test "$(grep -c daemon "$events")" = 1

    echo 70 >"$CONNMGR_ROOT/end"
    : >"$events"
    check "sysvinit: $shell: start, the daemon fails" run_init start
    wait_for 20 "sysvinit: $shell: it is started again" at_least 2 'daemon --idle 30'
    rm "$CONNMGR_ROOT/end"
    check "sysvinit: $shell: stop while it waits" run_init stop

    echo 78 >"$CONNMGR_ROOT/end"
    : >"$events"
    check "sysvinit: $shell: start with a bad configuration" run_init start
    wait_for 20 "sysvinit: $shell: it gives up" not run_init status
    check "sysvinit: $shell: after one start" test "$(grep -c daemon "$events")" = 1
    rm "$CONNMGR_ROOT/end"
done
unset CONNMGR_ROOT events
