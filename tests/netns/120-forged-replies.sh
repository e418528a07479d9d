#!/bin/sh
# 10,000 forged replies of every kind, from an attacker who knows id, port and question, while applications
# use the device: no address is opened, and no application is disturbed. Those that claim to answer an open question, but do not,
# are dropped and counted by kind, so the real dnsmasq and unbound, which would believe some of them, get the right answer.
# takes 30 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
use_variant nft
forgeries() { [ "$(sed -n 's/ forged$//p' "$LAB/names.log" | tail -n 1)" -ge "$1" ]; }
forged_for() { NAMES=x#.fresh.example first device "$@"; }
honest() {
    nsenter --net=/run/netns/device "$LABTOOL" first 198.18.100.55 n#.fresh.example "$1" "$2" >"$LAB/honest" 2>&1 &
    HONEST=$!
}
honest_have() { wait "$HONEST" && cat "$LAB/honest" && grep -qE "$1" "$LAB/honest"; }
# Only addresses of names that were resolved are open.
opened() { open_addresses | wc -l && [ "$(open_addresses | wc -l)" = "$1" ]; }

# counts KIND: how many of them connmgr has counted, in status --json and in the metrics.
counts() {
    ask status --json >"$LAB/status.json" || [ $? -le 3 ]
    ask metrics >"$LAB/metrics"
    /usr/bin/python3 - "$LAB/status.json" "$LAB/metrics" "$1" <<'PYTHON'
import json, re, sys
firewall = json.load(open(sys.argv[1]))["firewall"]
metrics, kind = open(sys.argv[2]).read(), sys.argv[3]
if kind == "dropped":
    told, sample = firewall["dropped"], "connmgr_dns_dropped_total"
else:
    told = {one["verdict"]: one["count"] for one in firewall["replies"]}[kind]
    sample = 'connmgr_dns_replies_total{verdict="%s"}' % kind.replace(" ", "_")
counted = int(re.search("^" + re.escape(sample) + " ([0-9]+)$", metrics, re.M).group(1))
print(told if told == counted else "status %d, metrics %d" % (told, counted))
PYTHON
}
count_is() { counts "$1" && [ "$(counts "$1")" = "$2" ]; }
forged() { sed -n 's/ forged$//p' "$LAB/names.log" | tail -n 1 | grep . || echo 0; }

# false_replies MODE N: three resolvers ask for two names each; each time the server sends 18 false replies before the true one.
false_replies() {
    forged_before=$(forged) n=$2
    for server in 198.18.100.55 127.0.0.1 127.0.0.2; do
        for _ in 1 2; do
            n=$((n + 1))
            resolved=$(on device "$LABTOOL" resolve "$server" "y$n.fresh.example") || :
            [ "$1" = sniff ] || check "$1: $server gives the right answer in spite of false ones" test "$resolved" = "198.19.$((n / 256)).$((n % 256))"
        done
    done
    # A resolver that is slow asks again.
    questions=$((($(forged) - forged_before) / 18))
    [ "$1" = hold ] && dropped=$((18 * questions)) || dropped=0
    check "$1: 18 false replies to each of at least 6 questions" test "$questions" -ge 6
    check "$1: status and metrics count each that was dropped" count_is dropped "$dropped"
    check "$1: 5 of 18 are about another question" count_is "wrong question" $((5 * questions))
    check "$1: 2 of 18 are no replies" count_is "not a reply" $((2 * questions))
    check "$1: 11 of 18 are malformed" count_is malformed $((11 * questions))
}

holding() {
    lockdown --dns hold
    check "hold: it does" log_has 'DNS: hold'
    local_dns
    false_replies hold 3000
    check "hold: what the resolvers learned is open, and nothing else" opened 6
    honest 1001 1000
    forged_for 400 1 >"$LAB/last"
    check "hold: 400 names, 26 forgeries before each true answer: resolved and reached at once" grep ' 0 unresolved, 0 lost,' "$LAB/first"
    wait_for 5 "10,000 were sent" forgeries 10000
    check "the honest names beside them are not disturbed" honest_have ' 0 unresolved, 0 lost,'
    check "nothing is open but what they ask for" opened 1406
    check "not the forgers' address" not is_open 198.19.255.1
    check "every reply has been let go" queue_is_empty

    resolve l1.fresh.example >"$LAB/last"
    resolve l1.fresh.example 6 >"$LAB/last" || :
    check "nor loopback, private, link-local, multicast or broadcast ones" opened 1406
    stop_connmgr || :
}
if can_hold; then
    holding
else
    skip "with nft: $no_queue"
    local_dns
fi

lockdown --dns sniff
check "sniff: it does" log_has 'DNS: sniff'
false_replies sniff 3100
before=$(open_addresses | wc -l)
honest 2001 5
forged_for 20 401 >"$LAB/last"
check "sniff: forgeries before the true answer: resolved" grep ' 0 unresolved,' "$LAB/first"
check "the honest names beside them, too" honest_have ' 0 unresolved,'
wait_for 3 "nothing is open but what they ask for" opened $((before + 25))
check "not the forgers' address" not is_open 198.19.255.1
resolve l2.fresh.example >"$LAB/last"
check "nor loopback and the like" opened $((before + 25))
