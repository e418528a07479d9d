#!/bin/sh
# run.sh: the views for LuCI in headless Chromium, before a live daemon of the lab. Ends with `N passed, N failed`. Leaves
# pictures in artifacts/luci. Needs root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
NETNS_DIR=$repo/tests/netns
LAB=$(mktemp -d)
PICTURES=$repo/artifacts/luci
export NETNS_DIR LAB PICTURES
trap 'rm -rf "$LAB"' EXIT
mkdir -p "$PICTURES"
"$NETNS_DIR/sandbox.sh" timeout -s KILL "${LAB_LIMIT:-600}" bash --posix "$here/story.sh" >"$LAB/output" 2>&1 </dev/null || echo "not ok - the story has ended with status $?" >>"$LAB/output"
cat "$LAB/output"
passed=$(grep -c '^ok - ' "$LAB/output") failed=$(grep -c '^not ok - ' "$LAB/output")
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
