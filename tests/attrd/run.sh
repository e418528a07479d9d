#!/bin/sh
# run.sh [--long]: tests the attrd shim, with sanitizers: by itself against a network in memory, then as a
# program against the stand-in attrd, then with the fuzzer's kept inputs and some new ones. --long: the storms
# and the fuzzer run longer, and the tests also run as arm and arm64 programs. Ends with `N passed, N failed`.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../native
out=$here/../../artifacts/attrd
asan=$out/asan
lab=$(mktemp -d /tmp/connmgr-attrd.XXXXXX)
lines=$lab/lines
long=
case ${1:-} in
    --long) long=1 ;;
    '') ;;
    *) sed -n 's/^# //p' "$0" | sed 1q; exit 64 ;;
esac

# shellcheck source=live.sh
. "$here/live.sh"

finish() {
    stop_all
    rm -rf "$lab"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# -- what a test says ------------------------------------------------------------------------------

say() { printf '%s\n' "$*" | tee -a "$lines"; }
ok() { say "ok - $*"; }
not_ok() { say "not ok - $*"; }
skip() { say "skip - $*"; }

# check DESC CMD...
check() {
    desc=$1
    shift
    if "$@" >"$lab/output" 2>&1; then
        ok "$desc"
    else
        not_ok "$desc"
        tail -n 30 "$lab/output" | sed 's/^/# /'
        for log in attrd owner listener; do
            [ ! -s "$lab/$log.log" ] || tail -n 20 "$lab/$log.log" | cut -c 1-150 | sed "s/^/# $log: /"
        done
    fi
}

# unit PROGRAM [RUNNER...]: runs a program that prints `ok - ` itself and must run to its end.
unit() {
    program=$1
    shift
    if "$@" "$program" "$here/recordings" >"$lab/output" 2>&1; then :; else status=$?; fi
    grep -E '^(ok|not ok|#)' "$lab/output" | tee -a "$lines" || :
    grep -qE '^[0-9]+ passed, [0-9]+ failed$' "$lab/output" || {
        not_ok "${program##*/} came to its end (status ${status:-0})"
        tail -n 30 "$lab/output" | sed 's/^/# /'
    }
}

all_units() {
    units=$1
    shift
    for program in "$units"/test_*; do
        case $program in *.o) ;; *) unit "$program" "$@" ;; esac
    done
}

# -- the code as such ------------------------------------------------------------------------------

# Each installed compiler, for each processor that we build for, also without optimisation.
compiles() {
    for source in "$native"/attrd_*.c; do
        for level in -O0 -O2 -Os; do
            # shellcheck disable=SC2086 # a compiler with a flag
            $1 -std=c11 -Wall -Wextra -Werror -Wshadow -Wconversion $level -fPIC -c "$source" \
                -o "$lab/object.o" || return 1
        done
    done
}

for compiler in gcc clang aarch64-linux-gnu-gcc arm-linux-gnueabihf-gcc \
    'clang --target=aarch64-linux-gnu' 'clang --target=arm-linux-gnueabihf'; do
    headers=${compiler#*--target=}
    if ! command -v "${compiler%% *}" >/dev/null; then
        skip "compiles without a warning: $compiler is not here"
    elif [ "$headers" != "$compiler" ] && [ ! -d "/usr/$headers/include" ]; then
        skip "compiles without a warning: no headers for $compiler"
    else
        check "compiles without a warning: $compiler" compiles "$compiler"
    fi
done

# The shim may call only these: no clock, no output, and no allocation except in create.
calls_little() {
    nm -u "$out"/attrd_*.o | awk '/ U / { print $2 }' | grep -v '^attrd_' | sort -u >"$lab/calls"
    sockets='socket|connect|setsockopt|eventfd|sendmsg|recv|shutdown|close'
    memory='calloc|free|mem(cpy|cmp|move|set)|strlen'
    compiler='__errno_location|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'
    grep -vxE "$sockets|$memory|$compiler" "$lab/calls" && return 1
    [ "$(cat "$native"/attrd_*.c | grep -c 'calloc(')" = 1 ]
}

mkdir -p "$out"
"$here/build.sh"
"$here/build.sh" "$asan" -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
check "calls nothing but sockets, memory and one calloc" calls_little

# -- by itself -------------------------------------------------------------------------------------

all_units "$asan"
if [ -n "$long" ]; then
    for arch in arm:arm-linux-gnueabihf aarch64:aarch64-linux-gnu; do
        if command -v "qemu-${arch%:*}" >/dev/null && command -v "${arch#*:}-gcc" >/dev/null; then
            CC=${arch#*:}-gcc "$here/build.sh" "$out/${arch%:*}" -O2 -static
            all_units "$out/${arch%:*}" "qemu-${arch%:*}"
        else
            skip "the tests as ${arch%:*} programs: no compiler or no qemu"
        fi
    done
fi

# -- against the stand-in --------------------------------------------------------------------------

live_tests

# -- any bytes -------------------------------------------------------------------------------------

fuzz_seconds=5
[ -z "$long" ] || fuzz_seconds=60
if "$here/fuzz.sh" build 2>"$lab/output"; then
    check "fuzz: the kept inputs" "$here/fuzz.sh" kept
    check "fuzz: $fuzz_seconds s of new ones" "$here/fuzz.sh" new "$fuzz_seconds"
elif grep -qE 'libclang_rt.fuzzer|not found|unsupported' "$lab/output"; then
    skip "fuzz: needs clang with its runtime libraries"
else
    not_ok "fuzz: builds"
    sed 's/^/# /' "$lab/output"
fi

passed=$(grep -c '^ok - ' "$lines" || :)
failed=$(grep -c '^not ok - ' "$lines" || :)
skipped=$(grep -c '^skip - ' "$lines" || :)
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
