#!/bin/sh
# lint.sh: formatting and analyzers, shellcheck for every script. Prints `ok -` or `not ok -` for each.
set -u
cd "$(dirname "$0")/.." || exit
failed=0

report() {
    if [ "$2" = 0 ]; then echo "ok - lint: $1"; else echo "not ok - lint: $1"; failed=1; fi
}

mkdir -p artifacts
dotnet build ConnMgr.sln --nologo -v quiet
report "dotnet build without a warning" $?

dotnet format --verify-no-changes --no-restore ConnMgr.sln
report "dotnet format" $?

# Every file that git knows and that begins with a shell's #!.
git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*sh( |$)/ { print FILENAME } FNR == 1 { nextfile }' > artifacts/scripts.txt
xargs shellcheck -x -P SCRIPTDIR < artifacts/scripts.txt
report "shellcheck of $(wc -l < artifacts/scripts.txt) scripts" $?

# .editorconfig says 110 columns, but dotnet format does not look at it.
! git ls-files -z '*.cs' | xargs -0 grep -nE '.{111}'
report "lines of C# have at most 110 columns" $?

exit $failed
