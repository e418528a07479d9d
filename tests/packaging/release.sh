# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# release.sh refuses what would be no release, before it builds anything. `make test-release` makes two whole ones.

mkdir -p "$work/origin/packaging"
cp "$repo/packaging/release.sh" "$work/origin/packaging/"
# In place of the compiler: the first thing that a release does.
# shellcheck disable=SC2016 # the stand-in's
printf '#!/bin/sh\necho "builds $1"\nexit 9\n' >"$work/origin/build.sh"
chmod +x "$work/origin/build.sh"
echo 1.2.3 >"$work/origin/VERSION"
printf '# Changelog\n\n## [1.2.3] - 2026-01-31\n\n- A.\n' >"$work/origin/CHANGELOG.md"
in_origin() { git -C "$work/origin" -c user.name=A -c user.email=a@example.com -c commit.gpgsign=false -c tag.gpgsign=false "$@"; }
# refuses REASON; builds: it goes on to the compiler.
release() { "$work/origin/packaging/release.sh" >"$work/said" 2>&1; }
refuses() { ! release && says "release.sh: $1" && ! says builds; }
builds() { ! release && says 'builds linux-x64'; }
in_origin init -q
in_origin add .
in_origin commit -qm first

check "release: a clean tree, a section, no tag: it builds" builds
in_origin tag -am 1.2.3 v1.2.3
check "release: the tag is this commit: it builds" builds
echo >>"$work/origin/CHANGELOG.md"
check "release: a change that is not committed" refuses 'there are changes that are not committed'
in_origin commit -qam second
check "release: the tag is another commit" refuses 'the tag v1.2.3 is another commit: set VERSION'
echo 1.2.4 >"$work/origin/VERSION"
in_origin commit -qam third
check "release: no section of the changelog" refuses 'CHANGELOG.md has no section for version 1.2.4'
printf '\n## [1.2.4]\n' >>"$work/origin/CHANGELOG.md"
in_origin commit -qam fourth
check "release: a new version, with its section: it builds" builds
