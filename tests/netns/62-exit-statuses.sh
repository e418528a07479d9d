#!/bin/sh
# Exit statuses follow sysexits; stopping leaves the routes alone.
# takes 10 s
. "$(dirname "$0")/lib.sh"

begin
status_is() {
    wanted=$1 desc=$2
    shift 2
    status=0
    timeout 20 nsenter --net=/run/netns/device "$@" >"$LAB/refusal" 2>&1 || status=$?
    check "$desc: exit status $wanted" test "$status" = "$wanted"
}
for signal in TERM INT; do
    status=0
    kill -"$signal" "$CONNMGR_PID"
    wait "$CONNMGR_PID" || status=$?
    check "SIG$signal: exit status 0" test "$status" = 0
    check "SIG$signal: the route stays" in_use eth0
    start_connmgr
done
stop_connmgr
program=$(connmgr_path)
status_is 64 "an unknown option" "$program" --nonsense
status_is 64 "an option without its value" "$program" --ping
status_is 64 "a probe that is no URL" "$program" --no-attrd --probe https://cloud.example --run-dir "$LAB/other"
check "a probe that is no URL: it says what to write" grep -q '^connmgr: --probe: write ' "$LAB/refusal"
status_is 64 "an idle limit of a kind that there is not" "$program" --no-attrd --idle dsl=16 --run-dir "$LAB/other"
status_is 0 "--help" "$program" --help
status_is 0 "--version" "$program" --version
status_is 77 "without privileges" setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
    "$program" -d --no-attrd --config-dir "$LAB/etc" --script-dir "$REPO/scripts" --run-dir "$LAB/other" --log stderr
check "without privileges: it names what is missing" grep -q CAP_ "$LAB/refusal"
