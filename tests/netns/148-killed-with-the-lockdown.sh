#!/bin/sh
# SIGKILL at random moments of starts, failovers, reloads and first connections, with the lockdown: the device is never open, and
# the next daemon has the right route, opens what is asked for, and nothing that was not asked for. SOAK=1: 1,000 moments; else 30.
# takes 90 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"
. "$NETNS_DIR/application.sh"
. "$NETNS_DIR/faults.sh"

# The address of a name whose reply was under way when the daemon was killed may be open or not.
only_asked_are_open() {
    only_met_are_open >"$LAB/differences" || :
    not grep '^>' "$LAB/differences"
}
last_met_is_open() { grep -qx "198.19.$((STORY_NAME / 256)).$((STORY_NAME % 256))" "$LAB/open"; }

lab_up
faults_up
soak "${KILLS:-30}" 1000
KEPT=$(connmgr_path)
BACKEND=${BACKEND:-nft}
keep &
wait_for 60 "the daemon is ready" ready
: >"$LAB/stranger"
seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
awk -v seed="$seed" -v n="$HOW_MUCH" 'BEGIN { srand(seed); while (n-- > 0) print int(rand() * 6), "0." int(rand() * 9) int(rand() * 9) }' >"$LAB/moments"
kills=0 wrongs=0
while read -r event delay; do
    read -r victim <"$LAB/pid"
    case $event in
        0) unplug eth0 ;;
        1) plug eth0 ;;
        2) ip -n device route replace default via 198.18.2.1 dev wlan0 metric 5 ;;
        3) kill -HUP "$victim" 2>/dev/null || : ;;
        *) STORY_NAME=$((STORY_NAME + 1)); met >"$LAB/last" 2>&1 & ;;
    esac
    pause "$delay"
    again none
    kills=$((kills + 1))
    [ $((kills % 10)) = 0 ] || continue
    # A switch makes one default of the two that wlan0 has then, at the lower metric: give it its own again.
    ip -n device route del default via 198.18.2.1 dev wlan0 metric 5 2>/dev/null || :
    configure wlan0
    plug eth0
    poll "$((40 + $(patience)))" ready && meet 3 && only_asked_are_open && last_met_is_open && not stranger_hears && continue
    wrongs=$((wrongs + 1))
    not_ok "after $kills kills; ready: $(ready && echo yes || echo no); packets to a stranger: $(wc -c <"$LAB/stranger")"
done <"$LAB/moments"
check "killed $kills times (SEED=$seed): $wrongs times something was wrong" test "$wrongs" = 0
