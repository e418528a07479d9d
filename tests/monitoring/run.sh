#!/bin/sh
# run.sh: the alert rules by promtool, and the queries of the dashboard against a real Prometheus that has scraped a lab run (root).
# Fetches Debian's prometheus and prometheus-node-exporter into artifacts/monitoring, and installs neither.
set -eu
cd "$(dirname "$0")/../.."
programs=artifacts/monitoring
if [ ! -x "$programs/usr/bin/prometheus" ] || [ ! -x "$programs/usr/bin/prometheus-node-exporter" ]; then
    rm -rf "$programs"
    mkdir -p "$programs"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    apt-get update -qq
    (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq prometheus prometheus-node-exporter)
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$programs"; done
fi
PATH=$PWD/$programs/usr/bin:$PATH tests/packaging/run.sh monitoring
exec tests/netns/run.sh 225-dashboard.sh
