#!/bin/sh
# manuals.sh: artifacts/manuals: manual pages and completions, by the executable for this machine. The same commit gives the same bytes.
set -eu
cd "$(dirname "$0")/.."
case $(uname -m) in x86_64) rid=linux-x64 ;; aarch64) rid=linux-arm64 ;; *) rid=linux-arm ;; esac
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
rm -rf artifacts/manuals
packaging/manuals.py "artifacts/$rid/connmgr" artifacts/manuals "$(cat VERSION)" "$(date -u -d "@$when" +%Y-%m-%d)"
