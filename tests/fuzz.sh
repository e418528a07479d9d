#!/bin/sh
# fuzz.sh build | run SECONDS [TARGET...] | minimise [TARGET...]: builds tests/ConnMgr.Fuzz for AFL++; lets
# afl-fuzz look for inputs of each target for so long, from the kept ones, and prints a line for each target;
# adds what was found to tests/ConnMgr.Fuzz/corpus, as far as it reaches new code, and drops the rest, but not
# what was recorded (seed-*).
# tests/prerequisites.sh fuzz installs AFL++.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
kept=$root/tests/ConnMgr.Fuzz/corpus
out=${OUT:-$root/artifacts/fuzz}
program=$out/bin/ConnMgr.Fuzz.dll

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# There is no instrumented ELF file to look at; the runtime takes its time to start; a pipe as core_pattern and a
# clock that varies do not matter.
export AFL_SKIP_BIN_CHECK=1 AFL_FORKSRV_INIT_TMOUT=60000 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1

# Branches of the product and of PacketDotNet report to AFL++ in this copy alone.
build() {
    dotnet build "$root/tests/ConnMgr.Fuzz" -c Release --nologo -v quiet
    rm -rf "${out:?}/bin"
    mkdir -p "$out"
    cp -r "$root/tests/ConnMgr.Fuzz/bin/Release/net10.0" "$out/bin"
    cd "$root/tests/ConnMgr.Fuzz"
    dotnet tool restore >/dev/null
    for file in connmgr.dll PacketDotNet.dll; do dotnet sharpfuzz "$out/bin/$file"; done
    cd "$root"
}

# targets [TARGET...]: these, or all.
targets() { if [ $# -gt 0 ]; then echo "$@"; else dotnet "$program" targets; fi; }

stat_of() { sed -n "s/^$2 *: //p" "$out/new/$1/default/fuzzer_stats"; }

# fuzz TARGET SECONDS
fuzz() {
    rm -rf "$out/new/$1"
    mkdir -p "$out/new/$1"
    nice -n 19 afl-fuzz -V "$2" -t 5000 -m none -G 4096 -i "$kept/$1" -o "$out/new/$1" -- \
        dotnet "$program" afl "$1" >"$out/new/$1.log" 2>&1 || { tail -n 20 "$out/new/$1.log"; return 1; }
    echo "$1: $(stat_of "$1" execs_done) executions, $(stat_of "$1" edges_found) edges," \
        "$(stat_of "$1" corpus_count) inputs, $(stat_of "$1" saved_crashes) findings, $(stat_of "$1" saved_hangs) hangs"
    for input in "$out/new/$1"/default/crashes/id* "$out/new/$1"/default/hangs/id*; do
        [ -e "$input" ] || continue
        echo "finding: dotnet run --project tests/ConnMgr.Fuzz -c Release -- replay $1 '$input'"
        found=1
    done
}

# minimise TARGET
minimise() {
    all=$out/all/$1
    rm -rf "$all" "$all.few"
    mkdir -p "$all"
    cp "$kept/$1"/* "$all"
    for input in "$out/new/$1"/default/queue/id*; do
        [ ! -f "$input" ] || cp "$input" "$all/$(sha1sum <"$input" | cut -c 1-16)"
    done
    cd "$all" # afl-showmap leaves its files in the current directory
    afl-cmin -e -m none -t 5000 -i "$all" -o "$all.few" -- "$(command -v dotnet)" "$program" afl "$1" >"$all.log" 2>&1 ||
        { tail -n 20 "$all.log"; return 1; }
    find "$kept/$1" -type f ! -name 'seed-*' -delete
    for input in "$all.few"/*; do
        case $input in */seed-*) ;; *) cp "$input" "$kept/$1/$(sha1sum <"$input" | cut -c 1-16)" ;; esac
    done
    echo "$1: $(find "$kept/$1" -type f | wc -l) inputs, $(cat "$kept/$1"/* | wc -c) bytes"
}

command=${1:-} found=
[ $# = 0 ] || shift
case $command in
    build) build ;;
    run)
        seconds=$1
        shift
        for target in $(targets "$@"); do fuzz "$target" "$seconds"; done
        [ -z "$found" ] ;;
    minimise) for target in $(targets "$@"); do minimise "$target"; done ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 64 ;;
esac
