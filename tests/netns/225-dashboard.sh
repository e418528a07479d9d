#!/bin/sh
# Prometheus reads what connmgr-metrics.service writes, by node_exporter: each query of the Grafana dashboard and of the alert
# rules has an answer. `make test-monitoring` fetches both programs; without them the test is skipped.
# takes 40 s
. "$(dirname "$0")/lib.sh"

PATH=$REPO/artifacts/monitoring/usr/bin:$PATH
monitoring=$REPO/scripts/monitoring
if ! command -v prometheus >/dev/null || ! command -v prometheus-node-exporter >/dev/null; then
    skip "there is no prometheus, or no prometheus-node-exporter: make test-monitoring"
    exit 0
fi

FIREWALL=
lab_up
echo echo.example >"$LAB/etc/whitelist"
start_connmgr --idle 2
wait_for 10 "it uses eth0" in_use eth0

# What connmgr prints, by two other readers.
check "promtool finds nothing wrong" sh -c "'$(connmgr_path)' metrics --run-dir '$LAB/run' | promtool check metrics"
cat >"$LAB/open.py" <<'END'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
assert len(families) > 40 and all(f.type != "unknown" for f in families), families
assert any(f.type == "counter" and f.name == "connmgr_switches" for f in families)
END
client=$REPO/artifacts/monitoring/usr/lib/python3/dist-packages
if [ -d "$client/prometheus_client" ]; then
    reads() { ask metrics "$@" | PYTHONPATH=$client /usr/bin/python3 "$LAB/open.py"; }
    check "the parser of OpenMetrics reads it" reads --openmetrics
    check "and not the other form" not reads
else
    skip "there is no prometheus_client: make test-monitoring"
fi

# The command of the service, every second.
mkdir "$LAB/textfile"
written=$(sed -n 's/^ExecStart=\/bin\/sh -c .\(.*\).$/\1/p' "$monitoring/connmgr-metrics.service" |
    sed "s,/usr/sbin/connmgr metrics,$(connmgr_path) metrics --run-dir $LAB/run,")
export TEXTFILE_DIRECTORY="$LAB/textfile"
check "the service's command writes the file" sh -c "$written && test -s '$LAB/textfile/connmgr.prom'"
sh -c "while :; do $written; sleep 1; done" 2>/dev/null &
WRITER_PID=$!
on device prometheus-node-exporter --web.listen-address=127.0.0.1:9100 --collector.disable-defaults \
    --collector.textfile --collector.textfile.directory="$LAB/textfile" 2>"$LAB/exporter" &
EXPORTER_PID=$!
cat >"$LAB/prometheus.yml" <<'END'
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: node
    static_configs: [{ targets: ["127.0.0.1:9100"] }]
END
on device prometheus --config.file="$LAB/prometheus.yml" --storage.tsdb.path="$LAB/tsdb" \
    --web.listen-address=127.0.0.1:9090 2>"$LAB/prometheus" &
PROMETHEUS_PID=$!

# Prints what has no answer: answered FILE...; a dashboard or rules. A query without a comparison has to have values, and the
# labels that its legend names.
cat >"$LAB/queries.py" <<'END'
import json, re, sys, urllib.parse, urllib.request
def ask(query):
    url = "http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        answer = json.load(urllib.request.urlopen(url))
    except urllib.error.HTTPError as error:
        return None, json.load(error)["error"]
    return answer["data"]["result"], ""
queries = []
for path in sys.argv[1:]:
    if path.endswith(".json"):
        for panel in json.load(open(path))["panels"]:
            queries += [(t["expr"], t["legendFormat"]) for t in panel["targets"]]
    else:
        # A rule is a comparison: its left side has to have values.
        queries += [(re.sub(r" (==|>) [0-9.]+$", "", line.split("expr: ")[1].strip()), "")
            for line in open(path) if "expr: " in line]
assert len(queries) >= 10, queries
bad = []
for query, legend in queries:
    for name, value in ("$instance", ".*"), ("$__rate_interval", "15s"), ("$__range", "1h"):
        query = query.replace(name, value)
    assert "$" not in query, query
    result, error = ask(query)
    if result is None:
        bad.append(f"{query}: {error}")
    elif not [r for r in result if r["value"][1] != "NaN"]:
        bad.append(f"{query}: no value")
    else:
        missing = [l for l in re.findall(r"{{(\w+)}}", legend) if not all(r["metric"].get(l) for r in result)]
        bad += [f"{query}: no label {label}" for label in missing]
print("\n".join(bad))
sys.exit(bool(bad))
END
answered() { on device /usr/bin/python3 "$LAB/queries.py" "$@"; }

unplug eth0
wait_for 5 "it uses wlan0" in_use wlan0
plug eth0
wait_for 30 "it uses eth0 again" in_use eth0
wait_for 30 "each query of the dashboard has an answer" answered "$monitoring/connmgr.dashboard.json"
check "each rule's query has values" answered "$monitoring/connmgr.rules.yml"
sed 's/connmgr_link_state{/connmgr_link_stat{/' "$monitoring/connmgr.dashboard.json" >"$LAB/damaged.json"
check "the test finds a metric that is not there" not answered "$LAB/damaged.json"
sed 's/{{from}}/{{form}}/' "$monitoring/connmgr.dashboard.json" >"$LAB/damaged.json"
check "and a label that is not there" not answered "$LAB/damaged.json"
sed 's/sum by (link) (/sum by (link) /' "$monitoring/connmgr.dashboard.json" >"$LAB/damaged.json"
check "and a query that is none" not answered "$LAB/damaged.json"
kill "$WRITER_PID" "$EXPORTER_PID" "$PROMETHEUS_PID"
