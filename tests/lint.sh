#!/bin/sh
# lint.sh: formatting and analyzers, shellcheck for every script. Prints `ok -` or `not ok -` for each.
set -u
cd "$(dirname "$0")/.." || exit
failed=0

report() {
    if [ "$2" = 0 ]; then echo "ok - lint: $1"; else echo "not ok - lint: $1"; failed=1; fi
}

mkdir -p artifacts
# Every file that git knows and that begins with a shell's #!. Beside the build, because both use one processor.
git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*sh( |$)/ { print FILENAME } FNR == 1 { nextfile }' > artifacts/scripts.txt
# A lab test is checked without the library that it sources, since reading that again for each of them takes minutes: unused
# variables and those without a value may belong to the library then (`set -u` finds the latter).
{
    grep -v '^tests/netns/[0-9]' artifacts/scripts.txt | xargs -n 16 -P "$(nproc)" shellcheck -x -P SCRIPTDIR &&
        grep '^tests/netns/[0-9]' artifacts/scripts.txt | xargs -n 64 shellcheck -e SC1091,SC2034,SC2154
} > artifacts/shellcheck.txt 2>&1 &
shellcheck=$!

# As the unit tests need it.
dotnet build ConnMgr.sln -c Release --nologo -v quiet
report "dotnet build without a warning" $?

# The build has judged style and analyzers (EnforceCodeStyleInBuild).
dotnet format whitespace --verify-no-changes --no-restore ConnMgr.sln
report "dotnet format" $?

wait "$shellcheck"
status=$?
cat artifacts/shellcheck.txt
report "shellcheck of $(wc -l < artifacts/scripts.txt) scripts" "$status"

# .editorconfig says 110 columns, but dotnet format does not look at it.
! git ls-files -z '*.cs' | xargs -0 grep -nE '.{111}'
report "lines of C# have at most 110 columns" $?

exit $failed
