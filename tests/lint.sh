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

# Lines of C# have at most 110 columns (.editorconfig). tests/long-lines.txt lists the files that still have longer ones:
# a file that is done has to leave the list, and none may be added.
git ls-files -z '*.cs' | xargs -0 grep -lE '.{111}' | LC_ALL=C sort > artifacts/long-lines.txt
diff tests/long-lines.txt artifacts/long-lines.txt
report "lines of C# have at most 110 columns, except in $(wc -l < tests/long-lines.txt) files" $?

exit $failed
