#!/bin/sh
# build.sh [RID]: publishes a static, stripped executable to artifacts/RID/connmgr, its debug symbols beside it.
# RID is linux-x64 (default on x86-64), linux-arm64 (default on arm64) or linux-arm.
# PIE=no makes an executable that is loaded at a fixed address. It needs 0.9 MB less memory, because the tables
# of types need not be unpacked, and is 0.5 MB larger (compressed: as large as before). docs/operations.md has
# what it costs.
set -eu
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE=true
cd "$(dirname "$0")"

case $(uname -m) in
    x86_64) host=linux-x64 ;;
    aarch64) host=linux-arm64 ;;
    *) host=linux-arm ;;
esac
rid=${1:-$host}
case $rid in
    linux-x64) triple=x86_64-linux-gnu arch=amd64 ;;
    linux-arm64) triple=aarch64-linux-gnu arch=arm64 ;;
    linux-arm) triple=arm-linux-gnueabihf arch=armhf ;;
    *) echo "build.sh: unknown RID '$rid' (linux-x64, linux-arm64, linux-arm)" >&2; exit 64 ;;
esac

# Nothing is installed here: say what is missing, all at once.
missing=
for program in dotnet gcc clang ld.lld objcopy; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
[ -z "$missing" ] || {
    echo "build.sh: missing:$missing. Run as root: make setup (Debian; the .NET 10 SDK is at https://dot.net)" >&2
    exit 1
}

# objcopy is GNU's: that of LLVM 14 refuses the static file.
cc=${CC:-gcc} ar=${AR:-ar} objcopy=objcopy
if [ "$rid" != "$host" ]; then
    cc=$triple-gcc ar=$triple-ar objcopy=$triple-objcopy
    command -v "$cc" >/dev/null || {
        echo "build.sh: $cc is missing: apt-get install gcc-$(echo "$triple" | tr _ -) libc6-dev-$arch-cross, or make setup" >&2
        exit 1
    }
fi

case ${PIE:-yes} in
    yes) pie= ;;
    no) pie='-p:PositionIndependentExecutable=false -p:IlcDehydrate=false' ;;
    *) echo "build.sh: PIE is yes or no" >&2; exit 64 ;;
esac

out=artifacts/$rid
mkdir -p "$out/native"

# Our C code: an archive for the executable, and a shared twin for the unit tests.
objects=
for source in native/*.c; do
    object=$out/native/$(basename "$source" .c).o
    "$cc" -std=c11 -Os -fPIC -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
        -Wall -Wextra -Werror -c "$source" -o "$object"
    objects="$objects $object"
done
rm -f "$out/native/libconnmgr_native.a"
# shellcheck disable=SC2086 # a list of files
"$ar" rcs "$out/native/libconnmgr_native.a" $objects
# shellcheck disable=SC2086
"$cc" -shared -o "$out/native/libconnmgr_native.so" $objects

# An incremental publish would keep the old native file when only a property has changed.
rm -rf "src/ConnMgr/obj/Release/net10.0/$rid/native"
# shellcheck disable=SC2086 # words
dotnet publish src/ConnMgr -c Release -r "$rid" -o "$out/publish" --nologo -v quiet \
    -p:NativeDir="$PWD/$out/native/" -p:ObjCopyName="$objcopy" \
    -p:LibC="$("$cc" -print-file-name=libc.a)" $pie || {
    [ "$rid" != linux-arm ] ||
        cat >&2 <<'END'
build.sh: linux-arm needs the NuGet package runtime.linux-arm.Microsoft.DotNet.ILCompiler, of the version that the SDK asks for.
Error NU1101 or NU1102 above: the package source does not have it. nuget.org has it since .NET 9; add a source that does.
The executable then runs only on CPUs with VFPv3-D32 or NEON (not SAMA5D3): see docs/replacing-the-original.md.
END
    exit 1
}
# Moved, not written over: the old one may be running.
mv -f "$out/publish/connmgr" "$out/connmgr"
[ ! -f "$out/publish/connmgr.dbg" ] || mv -f "$out/publish/connmgr.dbg" "$out/connmgr.dbg"
size=$(wc -c < "$out/connmgr")
echo "$out/connmgr: $size bytes"
