#!/bin/sh
# 65022 is announced, and a get of it answered, only when net_capabilities has answered: 0 would mean that the
# device has no network at all. After the script has failed, a get runs it again.
# takes 20 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/attrd.sh"

needs_option --attrd-socket
mkdir "$LAB/scripts"
cp -R "$REPO/scripts/." "$LAB/scripts"
cat >"$LAB/scripts/net_capabilities" <<END
#!/bin/sh
echo run >>"$LAB/runs"
until [ -e "$LAB/go" ]; do sleep 0.05; done
exit \$(cat "$LAB/go")
END
chmod +x "$LAB/scripts/net_capabilities"
SCRIPTS=$LAB/scripts
lines() { [ "$(grep -c . "$LAB/$1")" -ge "$2" ]; }

start_attrd
listen 65022
begin
wait_for 12 "attrd is connected, and the script runs" log_has 'attrd: connected'
wait_for 2 "it does run" lines runs 1
attrc get 65022 >"$LAB/first" &
first=$!
stays 1.5 "nothing is announced while it runs" heard_is ""
check "nor is the get answered" [ ! -s "$LAB/first" ]
echo 5 >"$LAB/go"
wait "$first" || :
check "it ends: the get is answered" grep -q ' get 65022 0 05$' "$LAB/first"
wait_for 2 "and it is announced, for the first time" heard_is "65022 05"

echo 3 >"$LAB/go"
unplug eth0
ip -n device link delete eth0
wait_for 10 "a device goes: the script is asked again" heard_is "65022 05, 65022 03"

# Answer a get within 5 s: the client's time-out could end attrd.
rm "$LAB/go"
restart_connmgr
wait_for 12 "attrd is connected again" log_has 'attrd: connected'
attrc get 65022 >"$LAB/late" || :
check "the script does not end: the get fails, by an answer of ours" grep -q ' get 65022 1 *$' "$LAB/late"

# A script that fails the first time.
echo 78 >"$LAB/go"
restart_connmgr
wait_for 12 "attrd is connected again" log_has 'attrd: connected'
check "the script fails, and the log says so" log_has 'net_capabilities: '
stays 1 "nothing is announced" heard_is "65022 05, 65022 03"
echo 4 >"$LAB/go"
check "a get runs the script again" [ "$(value 65022)" = 04 ]
wait_for 2 "and now it is announced" heard_is "65022 05, 65022 03, 65022 04"

# The daemon ends while a get waits, which has run the script again after it had failed.
echo 78 >"$LAB/go"
restart_connmgr
wait_for 12 "attrd is connected again" log_has 'attrd: connected'
poll 10 log_has 'net_capabilities: '
rm "$LAB/go"
ran=$(grep -c . "$LAB/runs")
attrc get 65022 >"$LAB/ended" &
last=$!
wait_for 5 "a get waits for the script" lines runs $((ran + 1))
stop_connmgr || :
wait "$last" || :
check "the daemon ends: the get fails, by an answer of ours" grep -q ' get 65022 1 *$' "$LAB/ended"
