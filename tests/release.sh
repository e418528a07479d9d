#!/bin/bash
# release.sh: makes two releases of HEAD, in two directories whose names differ in length, and compares every byte; then looks at
# what is in them. Several minutes. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit
passed=0 failed=0
check() {
    local what=$1; shift
    if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok - $what"; else failed=$((failed + 1)); echo "not ok - $what"; fi
}
not() { ! "$@"; }
work=$(mktemp -d /var/tmp/connmgr-release.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

for clone in one a/much/longer/name; do
    git clone -q . "$work/$clone" || exit
    check "a release in $clone" make -C "$work/$clone" release
done
release=$work/one/artifacts/release other=$work/a/much/longer/name/artifacts/release
check "both have the same files, byte by byte" diff -r "$release" "$other"
diff -rq "$release" "$other"

version=$(cat VERSION)
expected="RELEASE-NOTES.md SHA256SUMS connmgr-$version-source.tar.xz connmgr-$version.spdx.json
connmgr_${version}_amd64.deb connmgr_${version}_arm64.deb"
for arch in x64 arm64; do
    expected="$expected connmgr-$version-linux-$arch.tar.xz connmgr-$version-debug-$arch.tar.xz
connmgr-$version-dropin-$arch-prod.tar.xz connmgr-$version-dropin-$arch-dev.tar.xz"
done
check "these files" test "$(cd "$release" && find . -type f -printf '%P\n' | LC_ALL=C sort | paste -sd' ')" = \
    "$(echo "$expected" | tr ' ' '\n' | LC_ALL=C sort | paste -sd' ')"
cd "$release" || exit
# shellcheck disable=SC2016 # sh's
check "SHA256SUMS has the sum of each, and not its own" sh -c \
    '[ "$(cut -c67- SHA256SUMS)" = "$(find . -type f ! -name SHA256SUMS -printf "%P\n" | LC_ALL=C sort)" ] && sha256sum -c --quiet SHA256SUMS'

# One executable of each architecture, in everything that has one, and one version.
sum_in() { tar -xJOf "$1" --wildcards "$2" | sha256sum; }
for pair in x64:amd64 arm64:arm64; do
    arch=${pair%:*}
    sum=$(sum_in "connmgr-$version-linux-$arch.tar.xz" '*/connmgr')
    check "$arch: the bill of materials has the executable" grep -q "${sum%% *}" "connmgr-$version.spdx.json"
    for deployment in prod dev; do
        check "$arch: the drop-in for $deployment has it" test "$(sum_in "connmgr-$version-dropin-$arch-$deployment.tar.xz" 'usr/sbin/connmgr')" = "$sum"
    done
    deb=connmgr_${version}_${pair#*:}.deb
    check "$arch: the package has it" test "$(dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/sbin/connmgr | sha256sum)" = "$sum"
    check "$arch: the package's version" test "$(dpkg-deb -f "$deb" Version Architecture | paste -sd' ')" = "Version: $version Architecture: ${pair#*:}"
    tar -xJf "connmgr-$version-linux-$arch.tar.xz" -C "$work"
    check "$arch: the drop-in for dev has the development cloud's whitelist" grep -q dev.afero.io <(tar -xJOf \
        "connmgr-$version-dropin-$arch-dev.tar.xz" etc/af-conn/whitelist)
done
case $(uname -m) in x86_64) arch=x64 ;; *) arch=arm64 ;; esac
tree=$work/connmgr-$version-linux-$arch
check "the executable says the version and the commit" sh -c "'$tree/connmgr' --version | grep -q '^$version+$(git -C "$work/one" rev-parse HEAD)'"
check "so does the manual page" grep -qF "connmgr $version" "$tree/artifacts/manuals/man/connmgr.8"
check "the tarball installs without a compiler" "$tree/install.sh" "$tree/connmgr" "$work/image" prod systemd
check "its manifest is true" sh -c "cd '$work/image' && sha256sum -c --quiet usr/share/connmgr/manifest.sha256"
check "the notes are the changelog's section, not empty, and no other's" sh -c "grep -q '^### Added' RELEASE-NOTES.md && ! grep -q '^## ' RELEASE-NOTES.md"
check "the source has the version" test "$(tar -xJOf "connmgr-$version-source.tar.xz" "connmgr-$version/VERSION")" = "$version"
check "the bill of materials has the version" grep -q "\"versionInfo\": \"$version\"" "connmgr-$version.spdx.json"
check "the bill of materials names no path of the builder" not grep -q "$work" "connmgr-$version.spdx.json"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
