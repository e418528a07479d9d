# shellcheck shell=sh
# The shim in a program (owner.c), with real sockets, against the stand-in attrd. Sourced by run.sh.
# shellcheck disable=SC2154 # variables of run.sh

socket=$lab/socket
revision=62613366396130383233616262383163666132613031623339656330653436316162373339396431

# poll SECONDS CMD...: true as soon as CMD is.
poll() {
    tries=$(($1 * 100)) # twice the time, since the machine may be busy
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.02
    done
}

# -- the programs ----------------------------------------------------------------------------------

start_attrd() {
    "${attrd:-$asan/standin}" -s "$socket" -c "$lab/control" >>"$lab/attrd.log" 2>&1 &
    attrd_pid=$!
    poll 5 test -S "$socket" -a -p "$lab/control"
}

start_owner() {
    rm -f "$lab/commands"
    mkfifo "$lab/commands"
    "${owner:-$asan/owner}" -s "$socket" <"$lab/commands" >>"$lab/owner.log" 2>&1 &
    owner_pid=$!
    exec 8>"$lab/commands"
    commands=0
    own "value 65008 00" "value 65022 05" "value 51620 ${revision}00" "set 51616 0" "value 51616 00"
}

# listen RANGE...: starts a listener, which writes to listener.log.
start_listener() {
    "$asan/attrc" -s "$socket" listen "$@" >>"$lab/listener.log" 2>&1 &
    listener_pid=$!
    poll 5 grep -q ' listening$' "$lab/listener.log"
}

# stop PID: true if it was still running, and ended when told to.
stop() {
    kill "$1" 2>/dev/null || return 1
    wait "$1" 2>/dev/null && stopped=0 || stopped=$?
    [ "$stopped" = 143 ]
}

attrd_pid='' owner_pid='' listener_pid=''
stop_all() {
    for pid in $attrd_pid $owner_pid $listener_pid; do stop "$pid" || :; done
    attrd_pid='' owner_pid='' listener_pid=''
    exec 8>&-
}

# tell COMMAND...: sends each as a line to the stand-in; returns when it has read the last.
tell() {
    heard=$(grep -c ' told ' "$lab/attrd.log" || :)
    heard=$((heard + $#))
    printf '%s\n' "$@" >"$lab/control"
    poll 5 has_heard
}

has_heard() { [ "$(grep -c ' told ' "$lab/attrd.log")" -ge "$heard" ]; }

# own COMMAND...: sends each as a line to the owner; returns when it has done them all.
own() {
    printf '%s\n' "$@" >&8
    commands=$((commands + $#))
    poll 5 owner_says "told $commands\$"
}

attrc() { "$asan/attrc" -s "$socket" "$@"; }

# -- what is to be seen ----------------------------------------------------------------------------

# Empty each log, so that only new lines match.
forget() { : >"$lab/attrd.log"; : >"$lab/owner.log"; [ ! -e "$lab/listener.log" ] || : >"$lab/listener.log"; }

attrd_says() { grep -qE "^[0-9]+ $1" "$lab/attrd.log"; }
owner_says() { grep -qE "^[0-9]+ $1" "$lab/owner.log"; }
attrd_saw() { poll "$1" attrd_says "$2"; }
owner_saw() { poll "$1" owner_says "$2"; }

# gives ID VALUE: true if a get returns the value.
gives() { attrc get "$1" | grep -q " get $1 0 $2\$"; }

# status N CMD...
status() {
    wanted=$1
    shift
    "$@" && got=0 || got=$?
    [ "$got" = "$wanted" ]
}

# hears ID VALUE...: true if the listener has received exactly these values of ID, in this order.
hears() {
    awk -v id="$1" '$2 == "notify" && $3 == id { printf " %s", $4 }' "$lab/listener.log" >"$lab/heard"
    shift
    [ "$(cat "$lab/heard")" = "$(printf ' %s' "$@")" ]
}

# True if no program reported a problem: no truncated, unexpected or unknown message, no refused answer.
all_is_well() {
    kill -0 "$attrd_pid" && kill -0 "$owner_pid" || return 1
    ! grep -hE ' (nonsense|unasked|cut|unanswered|not understood|failed answer)|ERROR|runtime error' \
        "$lab/attrd.log" "$lab/owner.log" "$lab/listener.log"
}

# recovers SECONDS: true once it is connected again and a get is answered. 65008 is 00.
recovers() { poll "$1" gives 65008 00 2>"$lab/recovers"; }

# -- tests -----------------------------------------------------------------------------------------

recordings_of_other_clients() {
    for file in "$here"/recordings/client-*.txt; do
        "$asan/replay_client" "$socket" "$here/recordings" "${file##*/}" || return 1
    done
}

every_change_in_order() {
    forget
    for value in 00 01 02 01 00 02 01; do
        own "publish 65024 $value" "publish 65059 $value"
    done
    poll 5 hears 65059 00 01 02 01 00 02 01 && hears 65024 00 01 02 01 00 02 01
}

slow_attrd() {
    forget
    tell 'sets delay 200'
    for value in $(seq 10 90); do own "publish 65037 $value" "publish 65024 $value"; done
    poll 5 grep -q ' notify 65024 90$' "$lab/listener.log" && tell 'sets answer' &&
        poll 5 grep -q ' notify 65037 90$' "$lab/listener.log" &&
        [ "$(grep -c ' notify ' "$lab/listener.log")" -lt 10 ]
}

restart() {
    forget # an earlier set of the same value
    own 'publish 65008 01' 'publish 65008 00'
    attrd_saw 5 'set IPC.CONNMGR 65008 00' || return 1
    forget
    tell leave
    # attrd closed, perhaps with something unread (ECONNRESET); no such file, after 1 s
    owner_saw 5 'closed (0|104) 4' && owner_saw 5 'closed 2 1' || return 1
    tell return
    owner_saw 5 'open' && attrd_saw 5 'set IPC.CONNMGR 65008 00' && ! attrd_says 'set IPC.CONNMGR 65008 01'
}

survives_nonsense() {
    for name in length-7 length-0 length-4097 length-65535 body-too-short body-too-long no-body \
        unknown-type unknown-code longest unasked-answer unasked-set-reply unsolicited-get \
        unknown-transaction set-too-big; do
        forget
        tell "nonsense $name"
        recovers 5 || return 1
        case $name in
            length-*) owner_saw 5 'closed [0-9]+ 6 ' || return 1 ;;
            *) ! owner_says closed || return 1 ;;
        esac
        # Its answer was well-formed, but the stand-in knows no client that asked.
        grep -vE ' unasked IPC.CONNMGR: an answer to 7$' "$lab/attrd.log" >"$lab/rest"
        ! grep -E '^[0-9]+ (nonsense|unasked|cut) IPC' "$lab/rest" || return 1
    done
}

closes_at_any_byte() {
    for bytes in 1 7 8 22; do
        forget
        tell "close-after $bytes" 'get 65008'
        attrd_saw 5 'closed IPC.CONNMGR: told to, after' && owner_saw 5 'closed 0 4' && recovers 5 || return 1
    done
    forget
    tell close
    owner_saw 5 'closed' && recovers 5
}

open_unanswered() {
    forget
    tell 'open silent' close
    owner_saw 5 'closed 0 4' && owner_saw 5 'closed 0 2' || return 1
    tell 'open answer'
    recovers 10
}

open_refused() {
    forget
    tell 'open refuse 11' close
    owner_saw 5 'closed 11 3' || return 1
    tell 'open answer'
    recovers 10
}

sets_unanswered() { # HOW VALUE
    forget
    tell "sets $1"
    own "publish 65059 $2"
    owner_saw 10 'closed 65059 7' || return 1
    tell 'sets answer'
    recovers 5 && attrd_saw 5 "set IPC.CONNMGR 65059 $2"
}

sets_refused() { # HOW VALUE
    forget
    tell "sets $1 5"
    own "publish 65059 $2" 'publish 65024 99'
    owner_saw 5 'refused 65059 5' || return 1
    tell 'sets answer'
    own 'publish 65024 98'
    attrd_saw 5 'set IPC.CONNMGR 65024 98' && ! owner_says closed
}

hangs() {
    forget
    tell hang
    own 'publish 65059 33'
    owner_saw 10 'closed 65059 7' && owner_saw 10 'closed 0 2' || return 1 # silent; then the open is not answered
    tell resume
    recovers 10 && attrd_saw 5 'set IPC.CONNMGR 65059 33'
}

burst() { # COUNT
    forget
    tell "get 65008 $1"
    attrd_saw 10 "answers $1 of $1 values $1 in"
}

sets_in_pieces() {
    forget
    own 'value 51616 00'
    hex=$(printf '%02x' $(seq 0 99))
    tell 'pieces 7' "set 51616 $hex"
    attrd_saw 5 'set reply 51616 0' && gives 51616 "$hex" || return 1
    tell 'pieces 3968' 'set 65008 01'
    attrd_saw 5 'set reply 65008 10'
}

byte_by_byte() {
    forget
    tell 'chunk 1'
    burst 50 && every_change_in_order && sets_in_pieces
    result=$?
    tell 'chunk 0'
    return $result
}

late_answers() {
    own 'value 65026 11223344' 'late 65026'
    attrc get 65026 >"$lab/first" &
    first=$!
    poll 5 gives 65026 11223344 && wait "$first" && grep -q ' get 65026 0 11223344$' "$lab/first"
}

another_of_our_name() {
    forget
    "$asan/attrc" -s "$socket" -n IPC.CONNMGR -t 1 listen 1 >"$lab/second" 2>&1 &
    second=$!
    owner_saw 5 'closed' || return 1
    wait "$second" || :
    recovers 5
}

as_listener() {
    "$asan/owner" -s "$socket" -n IPC.OTHER -l 65000-65100 <"$lab/control2" >"$lab/other.log" 2>&1 8>&- &
    other=$!
    exec 7>"$lab/control2"
    poll 5 grep -q ' open ' "$lab/other.log" && own 'publish 65008 55' 'publish 65008 00' &&
        poll 5 grep -q ' notify 65008 0 00' "$lab/other.log" && grep -q ' notify 65008 0 55' "$lab/other.log"
    result=$?
    stop "$other" || result=1
    exec 7>&-
    return $result
}

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$owner_pid/status"; }

# RATE gets a second for MS: memory does not grow by a page, and a slow attrd gets no truncated message.
storm() {
    forget
    tell "storm 65008 1000 200"
    attrd_saw 5 'answers 200 of 200' || return 1
    forget
    before=$(resident)
    tell "storm 65008 $1 $2"
    attrd_saw $(($2 / 1000 + 20)) 'answers [0-9]+ of [0-9]+ values' || return 1
    after=$(resident)
    tail -n 1 "$lab/attrd.log"
    echo "resident: $before kB, then $after kB"
    attrd_says "answers $(($1 * $2 / 1000)) of $(($1 * $2 / 1000)) values $(($1 * $2 / 1000)) in" &&
        [ "$after" = "$before" ] && all_is_well
}

live_tests() {
    forget
    : >"$lab/listener.log"
    mkfifo "$lab/control2"

    # attrd starts after its client.
    start_owner
    check "live: no attrd at the start" owner_saw 5 'closed 2 1'
    start_attrd
    check "live: it comes later" recovers 10
    start_listener 65000-65100
    check "live: the recordings of other clients" recordings_of_other_clients
    check "live: an attribute that is not ours" status 1 attrc get 65060
    check "live: every change, in order, once" every_change_in_order
    check "live: a slow attrd is told little, and the latest" slow_attrd
    check "live: pieces" sets_in_pieces
    check "live: byte by byte" byte_by_byte
    check "live: late answers" late_answers
    check "live: a burst of 1000 gets" burst 1000
    check "live: refused in the set reply" sets_refused refuse 41
    check "live: refused in the answer to the piece" sets_refused refuse-piece 42
    check "live: as a listener" as_listener
    check "live: nobody complains" all_is_well
    check "live: nonsense" survives_nonsense
    check "live: closed at any byte" closes_at_any_byte
    check "live: another of our name" another_of_our_name
    check "live: opens are not answered" open_unanswered
    check "live: opens are refused" open_refused
    check "live: values are not answered" sets_unanswered silent 31
    check "live: values are answered by half" sets_unanswered half 32
    check "live: it hangs" hangs
    check "live: it ends and starts anew" restart
    check "live: the owner ends when told to" stop "$owner_pid"
    stop_all

    # Without sanitizers, as in a product.
    owner=$out/owner attrd=$out/standin
    forget
    start_attrd
    start_owner
    recovers 5
    if [ -n "$long" ]; then storm_ms=5000; else storm_ms=1000; fi
    check "live: 10,000 gets a second for $storm_ms ms, memory flat" storm 10000 $storm_ms
    sed 's/^/# /' "$lab/output"
    stop_all
}
