#!/bin/sh
# build.sh [DIRECTORY [FLAG...]]: builds the stand-in attrd, the tools and the shim's tests. The default is
# what a lab needs: artifacts/attrd/standin, attrc and owner, optimised. CC is the compiler, default gcc;
# NATIVE where the shim is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
native=${NATIVE:-$here/../../native}
out=${1:-$here/../../artifacts/attrd}
[ $# = 0 ] || shift
[ $# != 0 ] || set -- -O2
cc=${CC:-gcc}
mkdir -p "$out"

# Discard objects that were built with other flags.
flags=$*
[ "$(cat "$out/flags" 2>/dev/null)" = "$cc $flags" ] || rm -f "$out"/*.o
echo "$cc $flags" >"$out/flags"

# compile DIRECTORIES OBJECT SOURCE FLAG...: compiles, unless the object is newer than all sources and headers
# in the directories.
compile() {
    directories=$1 object=$2 source=$3
    shift 3
    object=$out/$object.o
    # shellcheck disable=SC2086 # a list
    [ ! -e "$object" ] || [ -n "$(find $directories -name '*.[ch]' -newer "$object")" ] || return 0
    "$cc" -std=c11 -Wall -Wextra -Werror "$@" -c "$source" -o "$object"
}

# link PROGRAM OBJECT...
link() {
    program=$1
    shift
    for object; do
        shift
        set -- "$@" "$out/$object.o"
    done
    # shellcheck disable=SC2086 # flags
    "$cc" $flags "$@" -o "$out/$program"
}

for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    [ "$name" = fuzz_shim ] || compile "$here $here/../../native" "$name" "$source" "$@"
done
for source in "$native"/attrd_*.c; do
    compile "$native" "$(basename "$source" .c)" "$source" "$@"
done
compile "$native $here" seamed "$native/attrd_stream.c" -include "$here/seam.h" "$@"

link standin standin routing misbehave wire
link attrc attrc wire
link replay_client replay_client recording wire
link owner owner attrd_shim attrd_changes attrd_stream attrd_transfers
for test in conversation hostile pieces portions publish times replay; do
    link "test_$test" "test_$test" rig seam wire recording attrd_shim attrd_changes attrd_transfers seamed
done
link test_kernel test_kernel rig seam wire attrd_shim attrd_changes attrd_stream attrd_transfers
