#!/bin/sh
# release.sh: makes artifacts/release, everything that a release has, for x64 and arm64: tarballs to install from,
# Debian packages, drop-ins, the source, an SPDX bill of materials, the section of the changelog, SHA256SUMS. The same
# commit and compilers give the same bytes, in any directory. It sets no tag, but prints the command for it.
set -euf
cd "$(dirname "$0")/.."

version=$(cat VERSION) commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "release.sh: there are changes that are not committed" >&2; exit 1; }
grep -qF "## [$version]" CHANGELOG.md || { echo "release.sh: CHANGELOG.md has no section for version $version" >&2; exit 1; }
tagged=$(git rev-parse -q --verify "refs/tags/v$version^{commit}" || :)
[ -z "$tagged" ] || [ "$tagged" = "$commit" ] || { echo "release.sh: the tag v$version is another commit: set VERSION" >&2; exit 1; }

out=artifacts/release
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
# pack DIRECTORY NAME...: below the working directory of $work, to standard output.
pack() {
    tar -C "$work" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$@" |
        xz -9e --threads=1
}

# The packages have to be those of the lock files.
for arch in x64 arm64; do RestoreLockedMode=true ./build.sh "linux-$arch"; done
packaging/manuals.sh
for arch in amd64 arm64; do
    packaging/deb.sh "$arch"
    mv "artifacts/connmgr_${version}_$arch.deb" "$out/"
done
for arch in x64 arm64; do
    for deployment in prod dev; do
        ./dropin.sh "$arch" "$deployment"
        mv "artifacts/connmgr-$arch-$deployment.tar.xz" "$out/connmgr-$version-dropin-$arch-$deployment.tar.xz"
    done
    # What `install.sh connmgr / prod systemd` needs, without a compiler.
    name=connmgr-$version-linux-$arch
    mkdir -p "$work/$name/artifacts" "$work/$name/packaging"
    cp "artifacts/linux-$arch/connmgr" "$work/$name/connmgr"
    cp -r scripts whitelist docs install.sh uninstall.sh dropin.sh README.md LICENSE THIRD-PARTY-NOTICES.md CHANGELOG.md VERSION "$work/$name/"
    cp packaging/merge.sh packaging/known-files.sha256 "$work/$name/packaging/"
    cp -r artifacts/manuals "$work/$name/artifacts/"
    pack "$name" >"$out/$name.tar.xz"
    mkdir -p "$work/debug"
    cp "artifacts/linux-$arch/connmgr.dbg" "$work/debug/connmgr-$arch.dbg"
    (cd "$work" && mv debug "connmgr-$version-debug-$arch")
    pack "connmgr-$version-debug-$arch" >"$out/connmgr-$version-debug-$arch.tar.xz"
done
git archive --format=tar --prefix="connmgr-$version/" HEAD | xz -9e --threads=1 >"$out/connmgr-$version-source.tar.xz"
packaging/sbom.py "$version" "$commit" "$SOURCE_DATE_EPOCH" artifacts/linux-x64/connmgr artifacts/linux-arm64/connmgr >"$out/connmgr-$version.spdx.json"
awk -v heading="## [$version]" 'index($0, heading) == 1 { inside = 1; next } /^## / { inside = 0 } inside' CHANGELOG.md >"$out/RELEASE-NOTES.md"
(cd "$out" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort | xargs sha256sum) >"$work/sums"
mv "$work/sums" "$out/SHA256SUMS"
chmod 644 "$out/SHA256SUMS"
cat "$out/SHA256SUMS"
[ -n "$tagged" ] || echo "Then: git tag -a v$version -m 'connmgr $version'"
