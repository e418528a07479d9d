#!/bin/sh
# Hooks run on every switch, in order, with IFNAME, OLD and REASON. Hooks that hang, fail or cannot be trusted
# are reported and delay nothing.
# takes 35 s
. "$(dirname "$0")/lib.sh"

hooks=$LAB/hooks
told=$LAB/told
mkdir "$hooks"
hook() { # NAME LINES...
    lab_name=$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" >"$hooks/$lab_name"
    chmod 755 "$hooks/$lab_name"
}
# shellcheck disable=SC2016  # for the hook
hook 20-second 'echo "second $IFNAME from=$OLD" >>'"$told"
# shellcheck disable=SC2016
hook 10-first 'echo "first $IFNAME from=$OLD why=$REASON" >>'"$told" 'echo $# >>'"$LAB/arguments" "env >$LAB/environment"
hook 30-fails 'echo "does not work" >&2' 'exit 4'
hook 40-untrusted "echo untrusted >>$told"
chmod 775 "$hooks/40-untrusted"
hook 41-foreign "echo untrusted >>$told"
chown 65534 "$hooks/41-foreign"
hook 50-plain "echo untrusted >>$told"
chmod 644 "$hooks/50-plain"
ln -s 40-untrusted "$hooks/60-link"
mkdir "$hooks/70-directory"
for name in "80 name; touch hooked" 20-second~ .20-second.swp 20-second.opkg-new 20-second.dpkg-dist 20-second.sh.bak; do
    hook "$name" "echo leftover >>$told"
done
hook 80-last.sh "echo last >>$told"

begin --hook-dir "$hooks"
wait_for 3 "the first switch: all that are to be run" grep -q last "$told"
check "in order, with the link and the reason" test "$(head -n 2 "$told")" = \
    "first eth0 from= why=eth0 is up, not yet confirmed
second eth0 from="
check "none whose name is an editor's or a package manager's" not grep -q leftover "$told"
check "no others" not grep -q untrusted "$told"
check "no arguments" test "$(cat "$LAB/arguments")" = 0
check "no other environment" not grep -qvE '^(PATH|LC_ALL|IFNAME|OLD|REASON|PWD|SHLVL|_)=' "$LAB/environment"
check "events: one that fails" events_have ' hook +hook "30-fails": exit status 4, output "does not work"$'
check "events: one that others can write to" events_have ' hook +hook "40-untrusted": not owned by root, or writable by others, ignoring$'
check "events: one that is not root's" events_have ' hook +hook "41-foreign": not owned by root, or writable by others, ignoring$'

ask events --json >"$LAB/events.json"
check "events as JSON: valid" json_is_valid events "$LAB/events.json"
check "events as JSON: the reason for itself" grep -q '"event":"failed",[^}]*"reason":"exit status 4, output \\"does not work\\""' "$LAB/events.json"

ip -n device route prepend default via 198.18.2.1 dev wlan0
wait_for 3 "a repair" log_has '^<6>restored the route over eth0'
check "events as JSON: a repair" sh -c "$(connmgr_path) events --json --run-dir '$LAB/run' | grep -q '\"event\":\"restored\",\"link\":\"eth0\"'"
check "a repair is no switch" not grep -q 'from=eth0' "$told"

hook 15-hangs "echo hanging >>$told" 'sleep 1000'
unplug eth0
wait_for 3 "the next switch: the link before" grep -qxF "first wlan0 from=eth0 why=eth0 lost carrier, wlan0 confirmed by echo" "$told"
wait_for 3 "one hangs" grep -q hanging "$told"
rm "$hooks/15-hangs"
unplug wlan0
wait_for 5 "connmgr goes on: wwan0 is in use" in_use wwan0
plug wlan0
wait_for 5 "and back" in_use wlan0
unplug wlan0
wait_for 5 "and forth" in_use wwan0
wait_for 15 "events: one that hangs is killed after 10 s" events_have ' hook +hook "15-hangs": killed: it took longer than 10 s'
told_times() { [ "$(grep -c "$1" "$told")" = "$2" ]; }
wait_for 10 "the switches meanwhile are told as one, when it is done" told_times last 2
check "from the link that the hook knew of" test "$(grep '^first' "$told" | sed -n '3s/ why=.*//p')" = "first wwan0 from=wlan0"
check "those behind the one that hung are not told what is true no more" not grep -q "second wlan0" "$told"
check "but what is, from the link that they knew of" grep -qx "second wwan0 from=eth0" "$told"

# Names are sorted before they are counted: nine of the hooks above, then these.
for i in $(seq 10 79); do hook "90-$i" "echo many $i >>$told"; done
moved() { [ "$(switches)" -gt "$before" ]; }
before=$(switches)
plug eth0
wait_for 25 "another switch" moved
wait_for 5 "64 hooks are run" grep -qx "many 64" "$told"
check "more are not" not grep -qx "many 65" "$told"
check "events: how many were left out" events_have " hook +$hooks: more than 64 hooks, ignoring the last 15$"
rm "$hooks"/90-*

chmod 777 "$hooks"
: >"$told"
before=$(switches)
unplug eth0
wait_for 5 "another switch" moved
wait_for 3 "a directory that others can write to: said" events_have " hook +$hooks: not owned by root, or writable by others: running no hooks$"
check "and no hook is run" test ! -s "$told"
check "no name is executed" test ! -e hooked
