#!/bin/sh
# run.sh: the alert rules by promtool, and the queries of the dashboard against a real Prometheus that has scraped a lab run (root),
# and what connmgr prints by promtool and by the parser of OpenMetrics.
# Fetches Debian's prometheus, prometheus-node-exporter and python3-prometheus-client into artifacts/monitoring, and installs neither.
set -eu
cd "$(dirname "$0")/../.."
programs=artifacts/monitoring
if [ ! -x "$programs/usr/bin/prometheus" ] || [ ! -x "$programs/usr/bin/prometheus-node-exporter" ] ||
    [ ! -d "$programs/usr/lib/python3/dist-packages/prometheus_client" ]; then
    rm -rf "$programs"
    mkdir -p "$programs"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    apt-get update -qq
    (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq prometheus prometheus-node-exporter python3-prometheus-client python3-decorator)
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$programs"; done
fi
PATH=$PWD/$programs/usr/bin:$PATH tests/packaging/run.sh monitoring
exec tests/netns/run.sh 225-dashboard.sh
