#!/bin/sh
# fuzz.sh build | kept | new SECONDS | minimise: builds the fuzz target; runs the inputs in corpus/; looks for
# new ones from there, which go to artifacts/attrd/fuzz/, as does an input that fails; makes corpus/ anew from
# the fewest of all that reach the same code.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
native=${NATIVE:-$here/../../native}
out=${OUT:-$here/../../artifacts/attrd/fuzz}
fuzzer=$out/fuzz_shim

build() {
    mkdir -p "$out/new"
    set -- -std=c11 -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
    clang "$@" -include "$here/seam.h" -c "$native/attrd_stream.c" -o "$out/stream.o"
    clang "$@" "$here/fuzz_shim.c" "$here/seam.c" "$here/wire.c" "$native/attrd_shim.c" \
        "$native/attrd_changes.c" "$native/attrd_transfers.c" "$out/stream.o" -o "$fuzzer"
}

case ${1:-} in
    build) build ;;
    kept) "$fuzzer" -runs=0 -artifact_prefix="$out/" "$here/corpus" ;;
    new)
        nice "$fuzzer" -max_total_time="$2" -max_len=512 -print_final_stats=1 -artifact_prefix="$out/" \
            "$out/new" "$here/corpus"
        ;;
    minimise)
        # By edges, without how often each was taken: some hundred inputs rather than a thousand.
        cp "$here"/corpus/* "$out/new"
        rm "$here"/corpus/*
        "$fuzzer" -merge=1 -use_counters=0 "$here/corpus" "$out/new"
        ;;
    *) sed -n 's/^# //p' "$0"; exit 64 ;;
esac
