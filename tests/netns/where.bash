# shellcheck shell=bash
# Functions for lib.sh that only bash can do (LAB_SHELL='bash --posix'). They print where a test is, and wait
# without a process.

# where: prints the line in the test and those in the functions that it calls, innermost first.
where() {
    local i
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
        case ${FUNCNAME[i]} in not_ok | check | wait_for | stays | poll | finish | died) continue ;; esac
        printf '%s:%s ' "${BASH_SOURCE[i]##*/}" "${BASH_LINENO[i - 1]}"
    done
}

# died STATUS COMMAND: reports a command that failed unexpectedly. For a command substitution it keeps both
# places.
died() {
    echo "$(where)status $1: ${2//$'\n'/ }" >>"$LAB/died"
}

set -E
trap 'died $? "$BASH_COMMAND"' ERR

# pause SECONDS: waits without a process, because a test would need thousands of them. It reads a pipe into
# which nothing is written. Not in POSIX mode: there bash's read waits for SIGALRM (SHTIMER_ALARM, read.def) and
# hangs for ever if the signal comes just before the system call; else it uses select.
pause() {
    [ -p "$LAB/pause" ] || mkfifo "$LAB/pause"
    set +o posix
    read -r -t "$1" _ <>"$LAB/pause" || :
    set -o posix
}
