# shellcheck shell=sh
# The functions of the lab tests. A test sources this file; run.sh runs it in a sandbox (a test that is
# started alone calls run.sh).

NETNS_DIR=${NETNS_DIR:-$(cd "$(dirname "$0")" && pwd)}
REPO=${NETNS_DIR%/tests/netns}
LABTOOL=$REPO/artifacts/lab/labtool
[ -n "${LAB_SANDBOX:-}" ] || exec "$NETNS_DIR/run.sh" "${0##*/}"

set -eu
export LC_ALL=C PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAB_FAILED=
CONNMGR_PID=
lab_command=
where() { :; }
pause() { sleep "$1"; }
[ -z "${BASH_VERSION:-}" ] || . "$NETNS_DIR/where.bash"

# -- what a test says ---------------------------------------------------------------------------------------------

ok() { printf 'ok - %s\n' "$*"; }
skip() { printf 'skip - %s\n' "$*"; }

not_ok() {
    LAB_FAILED=1
    printf 'not ok - %s\n' "$*"
    diagnose "$(where)" 2>&1 | sed 's/^/# /'
}

# Print details for the first failure only: the later ones mostly follow from it.
diagnose() {
    [ -z "$1$lab_command" ] || printf '%s%s\n' "$1" "$lab_command"
    if [ -s "$LAB/last" ]; then echo "last output:"; tail -n 5 "$LAB/last" | cut -c 1-300; fi
    [ ! -e "$LAB/diagnosed" ] || return 0
    : >"$LAB/diagnosed"
    if [ -s "$LAB/connmgr.log" ]; then echo "connmgr's log ends:"; tail -n 15 "$LAB/connmgr.log" | cut -c 1-160; fi
    if [ -e /run/netns/device ]; then ip -n device route; ip -n device -6 route show default; fi
}

finish() {
    status=$?
    if [ "$status" != 0 ]; then
        # For a failed command substitution, print the failure inside it before its line.
        [ ! -s "$LAB/died" ] || lab_command="$(tail -n 3 "$LAB/died" | cut -c 1-300)"
        not_ok "the test itself ended with status $status (LAB_SHELL='bash --posix' names the line)"
    fi
    [ -z "$LAB_FAILED" ] || exit 1
}
trap finish EXIT

# -- checks -------------------------------------------------------------------------------------------------------

not() { ! "$@"; }

# check DESC CMD...: waits for checks of connmgr's own output; evaluates all others once.
check() {
    lab_desc=$1
    shift
    case $1 in log_has | state | status_has | events_have | metrics_have) set -- poll "$(patience)" "$@" ;; esac
    if "$@" >"$LAB/last" 2>&1; then ok "$lab_desc"; else lab_command="status $?: $*" && not_ok "$lab_desc"; fi
}

# Prints hundredths of a second since the machine started; needs no process and no clock that can jump.
now() {
    read -r lab_uptime _ </proc/uptime
    echo "${lab_uptime%.*}${lab_uptime#*.}"
}

hundredths() {
    case $1 in
        *.*) echo "${1%.*}${1#*.}0" ;;
        *) echo "${1}00" ;;
    esac
}

# poll SECONDS CMD...: true as soon as CMD is. Polls fast at first, then ever more slowly: each CMD is several
# processes, and other tests need the processors, too.
poll() {
    # Not $(now): each fork costs more than the rest of a round.
    read -r lab_now _ </proc/uptime
    lab_begin=${lab_now%.*}${lab_now#*.}
    lab_end=$((lab_begin + $(hundredths "$1")))
    shift
    lab_command=$*
    until "$@" >"$LAB/last" 2>&1; do
        lab_command="status $?: $*"
        read -r lab_now _ </proc/uptime
        lab_now=${lab_now%.*}${lab_now#*.}
        [ "$lab_now" -lt "$lab_end" ] || return 1
        if [ "$lab_now" -lt $((lab_begin + 50)) ]; then
            pause 0.02
        elif [ "$lab_now" -lt $((lab_begin + 200)) ]; then
            pause 0.1
        else
            pause 0.25
        fi
    done
}

# patience: prints the extra seconds that things may take now: 5, and 1 for every other runnable process.
patience() {
    read -r lab_load _ </proc/loadavg
    echo $((5 + ${lab_load%.*} / 2))
}

# wait_for SECONDS DESC CMD...: waits with patience. bench.sh, or times taken by connmgr or the kernel, show
# how long connmgr itself takes.
wait_for() {
    lab_seconds=$1 lab_desc=$2
    shift 2
    if poll "$((${lab_seconds%.*} + $(patience)))" "$@"; then
        ok "$lab_desc"
    else
        not_ok "$lab_desc: not within $lab_seconds s"
    fi
}

# stays SECONDS DESC CMD...: CMD must be true the whole time.
stays() {
    lab_seconds=$1 lab_desc=$2
    shift 2
    if poll "$lab_seconds" not "$@"; then
        not_ok "$lab_desc: not for $lab_seconds s, only for $((($(now) - lab_begin) / 100))"
    else
        ok "$lab_desc ($lab_seconds s)"
    fi
}

. "$NETNS_DIR/lab.sh"
. "$NETNS_DIR/backend.sh"

# -- the daemon ---------------------------------------------------------------------------------------------------

# start_connmgr [ARGS...]: returns when it monitors. $CONNMGR is the program, $SCRIPTS the directory of its
# scripts.
start_connmgr() {
    spawn_connmgr "$@"
    if ! poll 30 log_has '^<6> ?monitoring '; then not_ok "connmgr does not start"; exit 1; fi
}
spawn_connmgr() {
    # Empty the log here, before the redirection below: the old log must not be taken for the new one.
    cat "$LAB/connmgr.log" >>"$LAB/connmgr.log.old" 2>/dev/null || :
    : >"$LAB/connmgr.log"
    # As journald does, so that the lines have their severities.
    lab_journal=$(stat -c %d:%i "$LAB/connmgr.log")
    lab_bare=
    if is_nft && [ "${FIREWALL--d}" != -d ]; then
        bare_tools nft
        lab_bare="unshare --mount sh $NETNS_DIR/bare.sh $LAB/bare"
        [ "${BACKEND:-}" = auto ] || BACKEND=nft
    fi
    # Not "on": $! must be the daemon. $PROBES, $ATTRD, $FIREWALL and $RESOLVER are options, with or without a
    # value, or empty.
    # shellcheck disable=SC2086
    JOURNAL_STREAM=$lab_journal nsenter --net=/run/netns/device $lab_bare "$(connmgr_path)" ${FIREWALL:-${FIREWALL--d}${FIREWALL+--firewall ${BACKEND:-iptables}}} \
        ${ATTRD:---no-attrd} \
        --config-dir "$LAB/etc" --script-dir "${SCRIPTS:-$REPO/scripts}" --run-dir "$LAB/run" \
        ${PROBES:---echo echo.example:80} --ping 198.18.100.8 \
        ${RESOLVER---resolver 198.18.100.53} --log stderr -v "$@" \
        >"$LAB/connmgr.out" 2>"$LAB/connmgr.log" &
    CONNMGR_PID=$!
}

# needs_option OPTION: skips the test if this connmgr does not have the option.
needs_option() {
    "$(connmgr_path)" --help | grep -qe "$1" && return
    skip "connmgr has no $1"
    exit 0
}

connmgr_path() { echo "${CONNMGR:-$REPO/artifacts/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')/connmgr}"; }

# ask VERB...: prints the daemon's answer. status_has, events_have, metrics_have REGEX: true if a line of it
# matches.
ask() { "$(connmgr_path)" "$@" --run-dir "$LAB/run"; }
status_has() { ask status | grep -E -- "$1"; }
events_have() { ask events | grep -E -- "$1"; }
metrics_have() { ask metrics | grep -E -- "$1"; }

# True if status --json agrees with the schema, which knows each member, in every state of the links. Leaves
# it in status.json.
status_is_valid() { { ask status --json >"$LAB/status.json" || [ $? -le 3 ]; } && status_json_is_valid; }
status_json_is_valid() { json_is_valid status "$LAB/status.json"; }
# json_is_valid SCHEMA FILE
json_is_valid() {
    /usr/bin/python3 -c '
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.validate(json.load(open(sys.argv[2])), schema)' "$REPO/scripts/$1.schema.json" "$2"
}

# exits STATUS CMD...: true if CMD ends with that status. said_has REGEX: true if a line of what it said matches.
exits() {
    lab_status=0 lab_wanted=$1
    shift
    "$@" >"$LAB/said" 2>&1 || lab_status=$?
    [ "$lab_status" = "$lab_wanted" ]
}
said_has() { grep -qE -- "$1" "$LAB/said"; }

# Returns connmgr's exit status.
stop_connmgr() {
    kill -TERM "$CONNMGR_PID"
    wait "$CONNMGR_PID"
}
restart_connmgr() {
    stop_connmgr
    start_connmgr "$@"
}

# An ended process is a zombie until this shell waits for it.
connmgr_runs() {
    read -r _ _ lab_status _ 2>/dev/null <"/proc/$CONNMGR_PID/stat" && [ "$lab_status" != Z ]
}

# begin [ARGS...]: the first steps of most tests.
begin() {
    lab_up
    start_connmgr "$@"
    wait_for 5 "at first eth0 is in use, it and wlan0 are confirmed" settled
}
settled() { in_use eth0 && in_use6 eth0 && state eth0 ITFUP_SS && state wlan0 ITFUP_SS; }

# in_use LINK, in_use6 LINK: true if the kernel's default route leads over it. IPv6 has no metric 0.
in_use() { default_is "$1" 0 "$(ip -n device -4 route show default)"; }
in_use6() { default_is "$1" 1 "$(ip -n device -6 route show default)"; }

# default_is LINK METRIC ROUTES: true if the route with the lowest metric has this link and metric.
default_is() {
    lab_best='' lab_least='' lab_dev=''
    while read -r lab_route; do
        case $lab_route in nexthop*) continue ;; esac # of the route before
        lab_metric=0 lab_before=''
        for lab_word in $lab_route; do
            case $lab_before in metric) lab_metric=$lab_word ;; dev) lab_dev=$lab_word ;; esac
            lab_before=$lab_word
        done
        if [ -z "$lab_best" ] || [ "$lab_metric" -lt "$lab_least" ]; then
            lab_best=$lab_dev lab_least=$lab_metric
        fi
    done <<END
$3
END
    [ "$lab_best" = "$1" ] && [ "$lab_least" = "$2" ]
}

log_has() { grep -qE -- "$1" "$LAB/connmgr.log"; }

# state LINK STATE: true if the link's last transition led to the state.
state() {
    lab_last=$(sed -nE "/^<[0-7]> ?$1: ITF[A-Z_]+ -> ITF[A-Z_]+/h; \${ x; s/^<[0-7]> ?$1: ITF[A-Z_]+ -> (ITF[A-Z_]+).*/\1/p; }" "$LAB/connmgr.log")
    [ "$lab_last" = "$2" ]
}

# probes LINK: prints how many have ended.
probes() { grep -E "^<[0-7]> ?probe of $1: " "$LAB/connmgr.log" | grep -cvE ': (started|cancelled)' || :; }

# Prints how often the daemon has decided.
switches() { grep -cE '^<[0-7]> ?using ' "$LAB/connmgr.log" || :; }
