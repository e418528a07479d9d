#!/bin/sh
# deb.sh amd64|arm64 [EXECUTABLE]: artifacts/connmgr_VERSION_ARCH.deb. The same commit gives the same bytes.
set -eu
cd "$(dirname "$0")/.."

arch=${1-}
case $arch in
    amd64) rid=linux-x64 ;;
    arm64) rid=linux-arm64 ;;
    *) echo "deb.sh: the architecture is amd64 or arm64, not '$arch'" >&2; exit 64 ;;
esac
executable=${2:-artifacts/$rid/connmgr}
version=${VERSION:-$(cat VERSION)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"

./install.sh "$executable" "$root" prod systemd
# postinst makes netif_names from the interfaces that it finds; the license is in the file copyright.
install -D -m 644 scripts/netif_names "$root/usr/share/connmgr/netif_names"
rm "$root/etc/af-conn/netif_names" "$root/usr/share/doc/connmgr/LICENSE"
sed -i '\,  usr/lib/af-conn/,!d' "$root/usr/share/connmgr/manifest.sha256"

# put SOURCE TARGET, also compressed
put() { install -D -m 644 "$1" "$root$2"; }
gzipped() { put "$1" "$2" && gzip -9n "$root$2"; }
put packaging/deb/lintian-overrides /usr/share/lintian/overrides/connmgr
for page in *.md docs/*.md docs/openwrt/*.png; do
    case $page in CHANGELOG.md) ;; *) put "$page" "/usr/share/doc/connmgr/$page" ;; esac
done
for file in scripts/monitoring/* scripts/*.schema.json; do put "$file" "/usr/share/doc/connmgr/examples/${file##*/}"; done
{
    cat packaging/deb/copyright
    sed 's/^$/./; s/^/ /' LICENSE | sed 1,3d
} >"$root/usr/share/doc/connmgr/copyright"
when=$(date -u -R -d "@$SOURCE_DATE_EPOCH")
maintainer=$(sed -n 's/^Maintainer: //p' packaging/deb/control)
cat >"$root/changelog" <<END
connmgr ($version) stable; urgency=medium

  * See CHANGELOG.md.gz.

 -- $maintainer  $when
END
gzipped "$root/changelog" /usr/share/doc/connmgr/changelog
rm "$root/changelog"
gzipped CHANGELOG.md /usr/share/doc/connmgr/CHANGELOG.md
find "$root/usr/share/man" -type f -exec gzip -9n {} +

mkdir "$root/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" packaging/deb/control >"$root/DEBIAN/control"
printf '/etc/af-conn/whitelist\n/etc/default/connmgr\n' >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
# preinst cannot read files of the package: the sums of versions from before there was a manifest are in it.
known=$(sed -n 's,^\([0-9a-f]*\)  usr/lib/af-conn/\(.*\),    \1  \2,p' packaging/known-files.sha256)
names=$(cd "$root/usr/lib/af-conn" && find . -type f | LC_ALL=C sort | sed 's,^\./,,' | paste -sd' ')
for script in preinst postinst prerm postrm; do
    awk -v known="$known" '$0 == "@KNOWN@" { print known; next } { print }' "packaging/deb/$script" |
        sed "s/@NAMES@/$names/" >"$root/DEBIAN/$script"
    chmod 755 "$root/DEBIAN/$script"
done

deb=artifacts/connmgr_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb: $(wc -c <"$deb") bytes"
