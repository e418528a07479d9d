#!/bin/sh
# run.sh [PART...]: what device makers install: install.sh, uninstall.sh, the init scripts for sysvinit, the packages' scripts, the
# manuals. Each part is a file NAME.sh here. Ends with `N passed, N failed`. Touches nothing outside a directory of its own.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # for the parts
repo=$(cd "$here/../.." && pwd)
passed=0 failed=0
check() {
    what=$1; shift
    if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok - $what"; else failed=$((failed + 1)); echo "not ok - $what"; fi
}
not() { ! "$@"; }
says() { grep -qF -- "$1" "$work/said"; }
# wait_for SECONDS WHAT COMMAND...: a check that may take up to that long.
wait_for() {
    tries=$(($1 * 20)) what=$2; shift 2
    until "$@" >/dev/null 2>&1 || [ "$tries" = 0 ]; do sleep 0.05; tries=$((tries - 1)); done
    check "$what" "$@"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for part in "$here"/*.sh; do
    name=${part##*/} name=${name%.sh}
    [ "$name" != run ] || continue
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    rm -rf "${work:?}"/*
    # shellcheck source=/dev/null
    . "$part"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
