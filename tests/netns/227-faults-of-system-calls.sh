#!/bin/sh
# System calls of the daemon fail, one at a time: while it starts, and while links fail over and names are asked for the first
# time. Afterwards the routes are right, exactly the right addresses are open, and it runs or was started again; the device was
# never open. Fifteen stories with three faults each, chosen by SEED=N (default 1); `make inject` makes each call site fail.
# takes 200 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/faults.sh"

[ "$(uname -m)" = x86_64 ] || { skip "faults are injected on x86-64 alone"; exit 0; }

wrong() {
    wrongs=$((wrongs + 1))
    not_ok "$1, after: $orders"
    sed 's/^/# injected: /' "$LAB/inject/injected"
    grep -vE '^<7> ?(probe|evidence) ' "$LAB/connmgr.log" | tail -n 12 | cut -c 1-200 | sed 's/^/# /'
    tail -n 1 "$LAB/ends" | sed 's/^/# /'
}
# within SECONDS WHAT CMD...: CMD must become true in that time, or in 20 s more: a daemon that dies is back after 2 s, locks, and
# proves its links anew. What a fault has decided for good stays wrong.
within() {
    within_limit=$(($1 + 20 + $(patience))) within_what=$2
    shift 2
    poll "$within_limit" "$@" || wrong "$within_what"
}

# tell FIRST SECOND THIRD: the story, with an order at the start and before each failover.
tell() {
    orders="$1; $2; $3"
    : >"$LAB/inject/injected"
    again "$1"
    within 5 "it does not start" ready
    within 3 "the start: the open addresses are not right" only_met_are_open
    [ "$1" != none ] || cp "$LAB/inject/calls" "$LAB/calls.1"

    order "$2"
    meet 3 || wrong "no first connection"
    unplug eth0
    within 3 "it does not move to wlan0" leads wlan0
    within 1 "it does not move to wlan0, IPv6" leads6 wlan0
    [ "$2" != none ] || cp "$LAB/inject/calls" "$LAB/calls.2"

    order "$3"
    unplug wlan0
    within 3 "it does not move to wwan0" leads wwan0
    meet 3 || wrong "no first connection over wwan0"
    within 3 "the open addresses are not right" only_met_are_open
    [ "$3" != none ] || cp "$LAB/inject/calls" "$LAB/calls.3"

    not stranger_hears || wrong "packets reached a stranger"
    : >"$LAB/stranger"
    stories=$((stories + 1)) faults=$((faults + $(wc -l <"$LAB/inject/injected")))
    plug eth0
    plug wlan0
}

lab_up
faults_up
wait_for 3 "before the lockdown, a stranger gets packets" stranger_hears
stories=0 faults=0 wrongs=0
BACKEND=${BACKEND:-nft}
keep &
wait_for 60 "the daemon is ready" ready
: >"$LAB/stranger"
tell none none none
check "without faults all goes well" test "$wrongs" = 0

# The first faults are those of a start that had consequences for as long as the daemon ran.
first=$(sed -nE 's/^(openat [0-9a-f]+) .*(whitelist|netif_names|boot_id|run\/holes|connmgr\.pid)$/\1 EMFILE/p' "$LAB/calls.1")
seed=${SEED:-1}
shuffled() { awk -v seed="$seed" 'BEGIN { srand(seed) } { print rand() " " $0 }' | sort | cut -d ' ' -f 2-; }
for part in 1 2 3; do
    { [ "$part" != 1 ] || echo "$first"; pairs "$LAB/calls.$part" | ${FAULTS:-cat} | sort -u | shuffled; } >"$LAB/orders.$part"
done
count=${STORIES:-15}
[ -z "${INJECT:-}" ] || count=100000
paste -d ';' "$LAB/orders.1" "$LAB/orders.2" "$LAB/orders.3" |
    awk -v share="${INJECT:-0/1}" 'BEGIN { split(share, part, "/") } NR % part[2] == part[1]' | sed "${count}q" >"$LAB/chosen"
while IFS=';' read -r one two three; do
    tell "${one:-none}" "${two:-none}" "${three:-none}"
    [ -z "${FAULTS_LOG:-}" ] || echo "$(wc -l <"$LAB/ends") ends; $orders; $(paste -sd '|' "$LAB/inject/injected")" >>"$FAULTS_LOG"
done <"$LAB/chosen"
check "faults were injected: $faults" test "$faults" -ge "$count" -o -n "${INJECT:-}"
check "$stories stories, SEED=$seed: $wrongs times something was wrong" test "$wrongs" = 0
