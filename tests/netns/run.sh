#!/bin/sh
# run.sh [-j N] [PATTERN...]: runs the tests N-*.sh whose names contain one of the patterns (default: all), N of those that mostly
# wait at a time (default: 6), and a third as many of the busy ones beside them, each in a sandbox of its own. Needs root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
limit=${LAB_LIMIT:-600} # seconds for one test

# Runs one test and prints all its lines when it has ended, so that parallel tests do not mix.
one() {
    name=${1%.sh*}${1#*.sh}
    case $1 in *+nft) export LAB_FIREWALL=nft ;; esac
    export LAB="$OUT/$name"
    mkdir -p "$LAB"
    read -r began _ </proc/uptime
    # shellcheck disable=SC2086 # LAB_SHELL='bash --posix' names the lines of failures, and needs a third more of the processor
    "$here/sandbox.sh" timeout -s KILL "$limit" ${LAB_SHELL:-dash} "$here/${1%+nft}" >"$LAB/output" 2>&1 </dev/null && status=0 || status=$?
    read -r ended _ </proc/uptime
    times >"$LAB/times"

    if [ "$status" = 137 ]; then
        echo "not ok - killed: not done after $limit s" >>"$LAB/output"
    elif ! grep -qE '^(ok|not ok|skip) - ' "$LAB/output"; then
        echo "not ok - shows nothing: no check was made (exit status $status)" >>"$LAB/output"
    elif [ "$status" != 0 ] && ! grep -q '^not ok - ' "$LAB/output"; then
        echo "not ok - ended with status $status" >>"$LAB/output"
    fi

    {
        awk -v n="$name" -v took="$(echo "$ended $began" | awk '{ print $1 - $2 }')" 'NR == 2 {
            split($1 "m" $2, part, /[ms]+/)
            printf "%s (%.1f s, %.1f s of processor)\n", n, took, 60 * (part[1] + part[3]) + part[2] + part[4]
        }' "$LAB/times"
        sed 's/^/    /' "$LAB/output"
    } >"$LAB/report"
    grep -E '^(ok|not ok|skip) - ' "$LAB/output" >"$OUT/$name.lines" || :
    flock "$OUT/lock" cat "$LAB/report"
    grep -q '^not ok - ' "$LAB/output" || rm -rf "$LAB"
}

if [ "${1:-}" = --one ]; then
    one "$2"
    exit 0
fi

jobs=6
if [ "${1:-}" = -j ]; then
    jobs=$2
    shift 2
fi
case ${1:-} in -*) sed -n 's/^# //p' "$0" | sed 2q; exit 64 ;; esac

# Report once, now, if a sandbox cannot be made here. Also build labtool before many tests need it.
"$here/sandbox.sh" true

OUT=$(mktemp -d /tmp/connmgr-netns.XXXXXX)
export OUT

# A test says "# takes N s", or "# takes N s, busy" if it needs a processor for most of that time: more of those at once would
# disturb each other. Start the longest first, so that none of them runs alone at the end. One that says "# also by nft" runs a
# second time as NAME+nft, with LAB_FIREWALL=nft (see backend.sh). With that variable set, all run so, and once.
for test in "$here"/[0-9]*-*.sh; do
    name=${test##*/}
    wanted=${1:+no}
    for pattern; do
        case $name in *"$pattern"*) wanted=yes ;; esac
    done
    [ "$wanted" != no ] || continue
    seconds=$(sed -n 's/^# takes \([0-9]*\) s.*/\1/p' "$test" | sed 1q)
    echo "${seconds:-10} $name"
    [ -n "${LAB_FIREWALL:-}" ] || ! grep -qx '# also by nft' "$test" || echo "${seconds:-10} $name+nft"
done | sort -rn -k 1,1 | cut -d ' ' -f 2 >"$OUT/tests"
[ -s "$OUT/tests" ] || { echo "run.sh: no test has such a name" >&2; rm -rf "$OUT"; exit 64; }

grep -l '^# takes .*, busy$' "$here"/[0-9]*.sh | sed 's/.*\///; p; s/$/+nft/' | grep -xFf - "$OUT/tests" >"$OUT/busy" || :
grep -vxFf "$OUT/busy" "$OUT/tests" >"$OUT/waiting" || :
# Both sets of tests end with run.sh, however it ends, because it is their parent.
setpriv --pdeathsig KILL xargs -r -P $(((jobs + 2) / 3)) -n 1 setpriv --pdeathsig KILL "$here/run.sh" --one <"$OUT/busy" &
setpriv --pdeathsig KILL xargs -r -P "$jobs" -n 1 setpriv --pdeathsig KILL "$here/run.sh" --one <"$OUT/waiting" || :
wait

passed=$(cat "$OUT"/*.lines | grep -c '^ok' || :)
failed=$(cat "$OUT"/*.lines | grep -c '^not ok' || :)
skipped=$(cat "$OUT"/*.lines | grep -c '^skip' || :)
# Repeat the failures, because the reader of a long output often sees only its end. The tests that ran beside them are
# above.
if [ "$failed" != 0 ]; then
    echo "== what failed:"
    for report in "$OUT"/*/report; do
        [ -e "$report" ] || continue
        # Lines right before a failure may be the standard error of a command in the test.
        { sed 1q "$report"; sed 1d "$report" | grep -B 2 -A 28 '^    not ok - '; } | cut -c 1-220 | sed -n 1,48p
    done
fi
# A test without any output must not count as passed.
while read -r test; do
    [ -e "$OUT/${test%.sh*}${test#*.sh}.lines" ] || { echo "$test: gave no result"; failed=$((failed + 1)); }
done <"$OUT/tests"

[ "$skipped" = 0 ] || echo "$skipped skipped"
if [ "$failed" = 0 ]; then rm -rf "$OUT"; else echo "logs: $OUT"; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
