# shellcheck shell=sh disable=SC2154 # repo is run.sh's
# The alert rules, by Prometheus's own promtool (Debian: prometheus) where it is installed.
if command -v promtool >/dev/null; then
    check "monitoring: the rules are valid" promtool check rules "$repo/scripts/monitoring/connmgr.rules.yml"
    check "monitoring: each alert fires when it should, and only then" \
        sh -c "cd '$repo/tests/monitoring' && promtool test rules rules.test.yml"
else
    echo "skip - monitoring: there is no promtool (Debian: prometheus)"
fi
