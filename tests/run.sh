#!/bin/sh
# run.sh: all tests. Ends with `N passed, N failed`, and the exit status to match.
set -u
cd "$(dirname "$0")/.." || exit
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Each part ends with its own line `N passed, N failed`; one that does not get there counts as a failure.
passed=0 failed=0 failures=
part() {
    name=$1; shift
    echo "== $name"
    "$@" 2>&1 | tee "$log"
    line=$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    [ -n "$line" ] || { echo "not ok - $name did not end"; line="0 1"; }
    # The lab, the last one, repeats its own.
    [ "${line#* }" = 0 ] || [ "$name" = lab ] || failures="$failures
== what failed of the $name:
$(grep -A 8 -E '^not ok - |\[FAIL\]' "$log" | cut -c 1-220 | sed -n 1,40p)"
    passed=$((passed + ${line% *})) failed=$((failed + ${line#* }))
}

# The runner's own summary, in our form.
unit() {
    dotnet run --project tests/ConnMgr.Tests -c Release -- -noColor 2>&1 | awk '
        { print }
        / Total: [0-9]+, / {
            gsub(",", "")
            for (i = 1; i < NF; i++) value[$i] = $(i + 1)
            failed = value["Failed:"] + value["Errors:"]
            if (value["Skipped:"] > 0) print value["Skipped:"] " skipped"
            print value["Total:"] - failed - value["Skipped:"] " passed, " failed " failed"
        }'
}

# For the tests of the arm64 executable; one that does not build is a failure there.
./build.sh linux-arm64 || rm -f artifacts/linux-arm64/connmgr

part "unit tests" unit
part "attrd shim" tests/attrd/run.sh
part "init scripts" tests/openwrt/run.sh
part "LuCI views" tests/luci/static.sh
part "packaging" tests/packaging/run.sh
part "lab" tests/netns/run.sh
[ -z "$failures" ] || printf '%s\n' "${failures#?}"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
