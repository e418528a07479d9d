# shellcheck shell=sh
# The stand-in attrd, for tests that need one. Source it after lib.sh.

ATTRD_SOCKET=$LAB/attrd
ATTRD="--attrd-socket $ATTRD_SOCKET"
ATTRD_TOOLS=$REPO/artifacts/attrd

# Build it once: tests run in parallel.
build_attrd() {
    flock 9
    [ -x "$ATTRD_TOOLS/attrc" ] &&
        [ -z "$(find "$REPO/tests/attrd" "$REPO/native" -name '*.[ch]' -newer "$ATTRD_TOOLS/attrc")" ] ||
        "$REPO/tests/attrd/build.sh"
}
mkdir -p "$REPO/artifacts"
(build_attrd) 9>"$REPO/artifacts/attrd.lock"

start_attrd() {
    rm -f "$ATTRD_SOCKET" "$LAB/attrd.control"
    "$ATTRD_TOOLS/standin" -s "$ATTRD_SOCKET" -c "$LAB/attrd.control" >>"$LAB/attrd.log" 2>&1 &
    ATTRD_PID=$!
    poll 10 attrd_is_there
}
attrd_is_there() { [ -S "$ATTRD_SOCKET" ] && [ -p "$LAB/attrd.control" ]; }

tell_attrd() { printf '%s\n' "$@" >"$LAB/attrd.control"; }

attrc() { "$ATTRD_TOOLS/attrc" -s "$ATTRD_SOCKET" "$@"; }

# listen RANGE...: starts a listener, which writes to heard.log.
listen() {
    "$ATTRD_TOOLS/attrc" -s "$ATTRD_SOCKET" listen "$@" >"$LAB/heard.log" 2>&1 &
    poll 10 grep -q ' listening$' "$LAB/heard.log"
}

# heard: prints all notifications so far, as `ID VALUE` joined by `, `.
heard() { sed -n 's/^[0-9]* notify //p' "$LAB/heard.log" | paste -s -d, - | sed 's/,/, /g'; }
heard_is() { heard; [ "$(heard)" = "$1" ]; }

# value ID: prints the answer to a get, in hexadecimal.
value() { attrc get "$1" | sed -n "s/^[0-9]* get $1 0 //p"; }

# is ID VALUE: true if the answer to a get is VALUE.
is() { [ "$(value "$1")" = "$2" ]; }
