#!/bin/sh
# dropin.sh unpack TARBALL DIRECTORY: unpacks a drop-in below DIRECTORY, and keeps what is not ours there, as install.sh does.
# dropin.sh x64|arm64|arm prod|dev: artifacts/connmgr-ARCH-DEPLOYMENT.tar.xz, what an OpenWrt device lacks, laid out from its root, for
# the FILES folder of an image builder. With LUCI=1 also the views for LuCI. The same commit gives the same bytes.
set -euf
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1-}" = unpack ]; then
    [ $# = 3 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 64; }
    tar -xJf "$2" -C "$root"
    "$here/packaging/merge.sh" "$root" "$3"
    exit 0
fi
cd "$here"

arch=${1-} deployment=${2-}
executable=artifacts/linux-$arch/connmgr name=artifacts/connmgr-$arch-$deployment
./install.sh "$executable" "$root" "$deployment" openwrt

when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
set -- etc lib usr
[ ! -d "$root/www" ] || set -- "$@" www
tar -C "$root" --sort=name --format=ustar --mtime="@$when" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$@" |
    xz -9e --threads=1 >"$name.tar.xz.new"
mv "$name.tar.xz.new" "$name.tar.xz"
echo "$name.tar.xz: $(wc -c <"$name.tar.xz") bytes"
