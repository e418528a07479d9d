#!/bin/sh
# The kernel refuses a pidfd for a script that has just been started: the daemon reports it, leaves no child,
# and continues.
# takes 10 s
. "$(dirname "$0")/lib.sh"

cat >"$LAB/filter.py" <<'END2'
# Makes pidfd_open fail with ENFILE: seccomp(2), linux/filter.h.
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 434), (0x06, 0, 0, 0x00050000 | 23), (0x06, 0, 0, 0x7fff0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in code))
program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno() # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
os.execv(sys.argv[1], sys.argv[1:])
END2
real=$(connmgr_path)
printf '%s\n' '#!/bin/sh' "exec /usr/bin/python3 '$LAB/filter.py' '$real' \"\$@\"" >"$LAB/connmgr"
chmod +x "$LAB/connmgr"
CONNMGR=$LAB/connmgr

lab_up
start_connmgr --switch script
failed='switching to [a-z]+0 failed: switch_route\.sh: cannot run .*/switch_route\.sh.: pidfd_open: Too many open files in system'
wait_for 5 "events: why the switch failed, in the kernel's words" events_have " switch +$failed, retrying\$"
check "status: it failed" status_has '^switch +switching to [a-z]+0 failed: switch_route\.sh: cannot run'
tries() { [ "$(grep -cE "$failed" "$LAB/connmgr.log")" -ge 3 ]; }
wait_for 10 "it tries again and again" tries
no_children() { [ -z "$(cat "/proc/$CONNMGR_PID/task/$CONNMGR_PID/children")" ]; }
wait_for 3 "no child is left, not even a dead one" no_children
unplug wlan0
wait_for 5 "it goes on watching" state wlan0 ITFDOWN_SU
