# shellcheck shell=bash
# What only bash can do, for lib.sh, when bash runs it, as run.sh has it do: it says where a test is, and waits without a process.

# where: the line in the test and those in what it calls, innermost first.
where() {
    local i
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
        case ${FUNCNAME[i]} in not_ok | check | wait_for | stays | poll | finish | died) continue ;; esac
        printf '%s:%s ' "${BASH_SOURCE[i]##*/}" "${BASH_LINENO[i - 1]}"
    done
}

# died STATUS COMMAND: that command failed where nobody expected it. Of a command substitution both ends are kept.
died() {
    echo "$(where)status $1: ${2//$'\n'/ }" >>"$LAB/died"
}

set -E
trap 'died $? "$BASH_COMMAND"' ERR

# pause SECONDS: without a process of its own, of which a test would need thousands. Nothing is ever written into the pipe.
pause() {
    [ -p "$LAB/pause" ] || mkfifo "$LAB/pause"
    read -r -t "$1" _ <>"$LAB/pause" || :
}
