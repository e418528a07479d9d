#!/bin/sh
# run.sh: all tests. Ends with `N passed, N failed`, and the exit status to match.
set -u
cd "$(dirname "$0")/.." || exit
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# part NAME CMD...: runs a part of the tests, and prints its output when it has ended, so that parts that run beside
# each other do not mix.
part() {
    name=$1; shift
    echo "== $name" >"$out/$name"
    "$@" >>"$out/$name" 2>&1
    flock "$out" cat "$out/$name"
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

# The parts that need one processor run beside the compiler. The arm64 executable is for the tests of arm64; one that does
# not build is a failure there.
{
    part "attrd shim" tests/attrd/run.sh
    part "init scripts" tests/openwrt/run.sh
    part "LuCI views" tests/luci/static.sh
    part "packaging" tests/packaging/run.sh
} &
./build.sh linux-arm64 || rm -f artifacts/linux-arm64/connmgr
part "unit tests" unit
wait

# The lab prints each test when it has ended, and uses all processors.
echo "== lab"
tests/netns/run.sh 2>&1 | tee "$out/lab"

# Each part ends with its own line `N passed, N failed`; one that does not get there counts as a failure.
passed=0 failed=0
for name in "attrd shim" "init scripts" "LuCI views" "packaging" "unit tests" "lab"; do
    line=$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$out/$name" | tail -n 1)
    [ -n "$line" ] || { echo "not ok - $name did not end"; line="0 1"; }
    passed=$((passed + ${line% *})) failed=$((failed + ${line#* }))
    # The lab, the last one, has repeated its own.
    [ "${line#* }" = 0 ] || [ "$name" = lab ] || {
        echo "== what failed of the $name:"
        grep -A 8 -E '^not ok - |\[FAIL\]' "$out/$name" | cut -c 1-220 | sed -n 1,40p
    }
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
