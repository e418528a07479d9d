#!/bin/sh
# The plugin for OpenWrt's rpcd, by rpcd's conventions (plugin.c, exec.c): `list` is a JSON object of methods with their
# arguments, `call METHOD` gets JSON on stdin and answers with one JSON object, whatever happens.
# takes 10 s
. "$(dirname "$0")/lib.sh"

plugin=$REPO/scripts/openwrt/connmgr.rpcd
# Plays rpcd: its environment, pipes, time limit of 30 s, and treatment of the output.
rpcd() {
    timeout 30 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin CONNMGR="$(connmgr_path)" CONNMGR_RUN_DIR="$LAB/run" \
        /usr/bin/python3 -c '
import json, subprocess, sys
argv, method = sys.argv[1:3], sys.argv[3:]
if not method:
    methods = json.loads(subprocess.run([argv[0], "list"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout)
    assert methods and all(type(arguments) is dict for arguments in methods.values())
    print(*methods)
else:
    listed = json.loads(subprocess.run([argv[0], "list"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout)
    assert method[0] in listed, "rpcd refuses a method that is not listed"
    reply = subprocess.run([argv[0], "call", method[0]], input=argv[1].encode(), stdout=subprocess.PIPE).stdout
    reply = json.loads(reply)
    assert type(reply) is dict, "rpcd takes objects only"
    print(json.dumps(reply))' "$plugin" "$@"
}
answers() { rpcd "$2" "$1" | grep -F -- "$3"; }

check "it lists its methods" test "$(rpcd '')" = "status events reload"
check "no daemon: an object that says so" answers status '{}' '{"error": "no answer from connmgr", "exit_status": 69}'
begin
check "status" answers status '{}' '"in_use": "eth0"'
check "status, with what LuCI adds" answers status '{"ubus_rpc_session":"00000000000000000000000000000000"}' '"in_use": "eth0"'
check "events" answers events '{}' '"text": "using eth0: eth0 is up, not yet confirmed"'
check "reload" answers reload '{}' '{"schema": 1, "done": true, "said": ["nothing has changed"]}'
echo "ETH_INTERFACE_0='no such name'" >"$LAB/etc/netif_names"
check "a reload that is refused" answers reload '{}' '"done": false'
unplug eth0
unplug wlan0
modem_off
wait_for 5 "nothing works" status_has '^in use +none'
check "status is answered all the same" answers status '{}' '"in_use": null'
for shell in dash "busybox ash"; do
    # shellcheck disable=SC2086  # words
    check "$shell runs it" test "$($shell "$plugin" list)" = '{"status":{},"events":{},"reload":{}}'
done
