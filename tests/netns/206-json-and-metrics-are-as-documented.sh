#!/bin/sh
# status --json agrees with scripts/status.schema.json in each state; metrics are valid for Prometheus.
# takes 30 s
. "$(dirname "$0")/lib.sh"

begin --idle 4
check "all is well: valid" status_is_valid
damaged() { sed "$1" "$LAB/status.json" >"$LAB/damaged.json" && mv "$LAB/damaged.json" "$LAB/status.json"; }
damaged 's/"ITFUP_SS"/"ITFUP_XX"/'
check "the validator finds another state" not status_json_is_valid
status_is_valid
damaged 's/"uptime_seconds"/"uptime"/'
check "the validator finds another name" not status_json_is_valid

cat >"$LAB/metrics.py" <<'END'
# A reader of Prometheus' text format; its checks are as strict as those of promtool's lint.
import re, sys
types, helped, seen = {}, set(), set()
name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
for line in open(sys.argv[1]).read().split("\n")[:-1]:
    if m := re.fullmatch(rf"# HELP ({name}) (\S.*)", line):
        assert m[1] not in helped, f"HELP twice: {line}"
        helped.add(m[1])
    elif m := re.fullmatch(rf"# TYPE ({name}) (counter|gauge|histogram)", line):
        assert m[1] not in types, f"TYPE twice: {line}"
        types[m[1]] = m[2]
        last = m[1]
    elif m := re.fullmatch(rf'({name})(?:\{{((?:{name}="(?:[^"\\]|\\.)*",?)*)\}})? (-?[0-9]+(?:\.[0-9]+)?)', line):
        family = re.sub(r"_(bucket|sum|count)$", "", m[1]) if types.get(last) == "histogram" else m[1]
        assert family == last and last in helped, f"not below its HELP and TYPE: {line}"
        assert m[1].startswith("connmgr_"), line
        assert (m[1].endswith("_total")) == (types[last] == "counter"), f"_total is for counters: {line}"
        assert (m[1], m[2]) not in seen, f"twice: {line}"
        assert not re.search(r"_(milliseconds|ms|kilobytes|kb|minutes)(_|$)", m[1]), f"no base unit: {line}"
        seen.add((m[1], m[2]))
    else:
        sys.exit(f"no such line in the format: {line!r}")
assert len(seen) > 40, seen
END
metrics_are_valid() { ask metrics >"$LAB/metrics.prom" && /usr/bin/python3 "$LAB/metrics.py" "$LAB/metrics.prom"; }
check "metrics: valid" metrics_are_valid
# The same as OpenMetrics: other names in HELP and TYPE of counters, and an end.
open_is_same() {
    ask metrics --openmetrics >"$LAB/open" && ask metrics >"$LAB/metrics.prom" || return
    [ "$(tail -n 1 "$LAB/open")" = '# EOF' ] || return
    ! grep -E '^# (HELP|TYPE) [^ ]*_total ' "$LAB/open" || return
    [ "$(sed '/^#/d; s/ [^ ]*$//' "$LAB/open")" = "$(sed '/^#/d; s/ [^ ]*$//' "$LAB/metrics.prom")" ] &&
        [ "$(sed -n 's/^# TYPE \([^ ]*\) counter/\1_total/p' "$LAB/open")" = \
            "$(sed -n 's/^# TYPE \([^ ]*\) counter/\1/p' "$LAB/metrics.prom")" ]
}
check "metrics: as OpenMetrics the same samples" open_is_same
check "metrics: another verb has no such form" exits 64 ask status --openmetrics
check "metrics: the link in use" metrics_have '^connmgr_link_in_use\{link="eth0",kind="ethernet"\} 1$'
check "metrics: no label has a space" not metrics_have '="[^"]* [^"]*"'
check "metrics: which link followed which" metrics_have '^connmgr_link_changes_total\{from="none",to="eth0"\} 1$'
check "metrics: how long and with how many bytes it is in use" metrics_have '^connmgr_link_in_use_bytes_total\{link="eth0",kind="ethernet"\} [1-9]'
check "metrics: when the cloud last answered over it" metrics_have '^connmgr_link_last_proof_timestamp_seconds\{link="eth0",kind="ethernet"\} 1[0-9]{9}'
check "metrics: how long probes took" metrics_have '^connmgr_probe_duration_seconds_bucket\{link="wlan0",kind="wifi",le="\+Inf"\} [1-9]'
check "metrics: addresses" metrics_have '^connmgr_link_info\{link="eth0",kind="ethernet",ipv4="198.18.1.2",ipv4_gateway="198.18.1.1",ipv6="2001:db8:1::2"'
check "metrics: states by their numbers" metrics_have '^connmgr_link_state\{link="eth0",kind="ethernet"\} 5$'
same() { # equals the kernel's counter; retried, because another packet may come in between
    # shellcheck disable=SC2016  # awk's
    lab_received=$(on device awk '$1 == "wlan0:" { print $2 }' /proc/net/dev)
    [ "$lab_received" -gt 0 ] &&
        metrics_have "^connmgr_link_receive_bytes_total\{link=\"wlan0\",kind=\"wifi\"\} $lab_received\$"
}
wait_for 5 "metrics: the kernel's counters" same

unplug eth0
upstream_dead wlan0
dead() { ask status --json | grep -q '"state":"ITFUP_SF"'; }
wait_for 15 "wlan0 has failed" dead
check "a link down, one failed: valid" status_is_valid
unplug wlan0
modem_off
wait_for 3 "nothing is in use" status_has '^in use +none'
check "no link: valid" status_is_valid
check "metrics: valid" metrics_are_valid
check "metrics: nothing is confirmed" metrics_have '^connmgr_link_confirmed 0$'
