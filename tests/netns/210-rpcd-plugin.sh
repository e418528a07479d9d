#!/bin/sh
# The plugin for OpenWrt's rpcd, by rpcd's conventions (plugin.c, exec.c): `list` is a JSON object of methods with their
# arguments, `call METHOD` gets JSON on stdin and answers with one JSON object, whatever happens.
# takes 20 s
. "$(dirname "$0")/lib.sh"

plugin=$REPO/scripts/openwrt/connmgr.rpcd
# Plays rpcd: its environment, pipes, time limit of 30 s, and treatment of the output.
rpcd() {
    # tests/openwrt has a stand-in for OpenWrt's jsonfilter.
    timeout 30 nsenter --net=/run/netns/device env -i PATH="$REPO/tests/openwrt:/usr/sbin:/usr/bin:/sbin:/bin" CONNMGR="$(connmgr_path)" \
        CONNMGR_RUN_DIR="$LAB/run" CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_SCRIPT_DIR="$REPO/scripts" CONNMGR_INIT="$LAB/init" \
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

# The init script, as the plugin uses it.
cat >"$LAB/init" <<END
#!/bin/sh
echo "init script: \$1"
case \$1 in stop) kill -TERM \$(cat "$LAB/run/connmgr.pid") ;; esac
END
chmod +x "$LAB/init"

lab_up
check "it lists its methods" test "$(rpcd '')" = "status events reload get_whitelist check_whitelist set_whitelist unlock start"
check "no daemon: an object that says so" answers status '{}' '{"error": "no answer from connmgr", "exit_status": 69, "locked": false}'

printf '#!/bin/sh\necho "{}"\nexit 3\n' >"$LAB/audit"
chmod +x "$LAB/audit"
check "audit mode (status 3): the state is passed on" test "$(CONNMGR=$LAB/audit "$plugin" call status </dev/null)" = '{}'

# The whitelist, without a daemon and with one.
# text TEXT [SUM]: a request.
text() { /usr/bin/python3 -c 'import json, sys; print(json.dumps(dict(zip(("text", "sum"), sys.argv[1:]))))' "$@"; }
sum() { sha256sum <"$LAB/etc/whitelist" | cut -d' ' -f1; }
strange='# "quoted", a \ and	a tab, é, <b>
a.example
'
printf '%s\n' "$strange" >"$LAB/etc/whitelist"
check "the whitelist is read" answers get_whitelist '{}' "$(text "$strange" "$(sum)")"
check "a text is checked" answers check_whitelist "$(text 'good.example # é')" '{"valid": true, "remarks": [], "more": 0}'
check "remarks have their line" answers check_whitelist "$(text 'good.example

<img src=x onerror=alert(1)>')" '[{"line": 3, "level": "error", "text": "more than one word: \"<img src=x onerror=alert(1)>\""}]'
check "a draft is not saved" answers get_whitelist '{}' "$(text "$strange" "$(sum)")"
check "two hundred remarks are a hundred" answers check_whitelist "$(text "$(yes 'bad name' | head -n 200)")" '"more": 100'
check "a text that is too long" answers check_whitelist "$(text "$(yes a.example | head -n 5000)")" '"error": "the whitelist is longer than 49152 bytes"'
check "a request without a text" answers check_whitelist '{}' '"error": "the request has no text"'
before=$(sum)
check "a text with errors" answers set_whitelist "$(text '*.*' "$before")" '"saved": false'
check "a text on top of another user's" answers set_whitelist "$(text b.example 0123)" '"error": "the whitelist has changed meanwhile'
check "neither is saved" test "$(sum)" = "$before"
chmod 640 "$LAB/etc/whitelist"
check "a good one is" answers set_whitelist "$(text 'b.example
c.example # \ "é"' "$before")" '"saved": true'
check "as it is" test "$(cat "$LAB/etc/whitelist")" = 'b.example
c.example # \ "é"'
check "its mode stays" test "$(stat -c %a "$LAB/etc/whitelist")" = 640
check "nothing is left over" test "$(find "$LAB/etc" -name '*.saving')" = ''
printf 'a\033[2J\n' >"$LAB/etc/whitelist"
check "a whitelist with control characters is not edited" answers get_whitelist '{}' 'has control characters'
: >"$LAB/etc/whitelist"
check "an empty one is" answers get_whitelist '{}' '"text": ""'

FIREWALL='' BACKEND=nft start_connmgr
wait_for 5 "at first eth0 is in use" in_use eth0
check "status" answers status '{}' '"in_use": "eth0"'
check "status, with what LuCI adds" answers status '{"ubus_rpc_session":"00000000000000000000000000000000"}' '"in_use": "eth0"'
check "whitelist and reload" answers set_whitelist "$(text exact.example "$(sum)")" '"reload": {"schema": 1, "done": true'
check "the daemon has it" answers status '{}' '"entry": "exact.example"'
check "the last two events" test "$(rpcd '{"last":2}' events | tr -d '\n' | grep -o '"number"' | wc -l)" = 2
for last in 501 '"2; id"'; do
    check "the last $last" answers events "{\"last\":$last}" '"error"'
done
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
    check "$shell runs it" test "$($shell "$plugin" list)" = "$("$plugin" list)"
done

# Unlocked: the daemon is ended first, for it would lock again.
is_locked() { on device nft list table inet connmgr; }
check "locked" is_locked
check "unlock" answers unlock '{}' '{"unlocked": true, "said": ["init script: stop", "fwcfg.sh: unlocked: nothing of connmgr'
check "unlocked" not is_locked
check "the daemon has ended" not kill -0 "$CONNMGR_PID"
check "start" answers start '{}' '{"started": true, "said": ["init script: start"]}'
echo 'exit 1' >"$LAB/init"
check "start that fails" answers start '{}' '{"started": false, "said": []}'
