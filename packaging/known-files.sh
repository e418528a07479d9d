#!/bin/sh
# known-files.sh: prints the SHA-256 sums of all versions so far of the files that an update may replace, from the commit log, as
# `SUM  PATH` with the path that the file has on a device. known-files.sha256 holds its output up to version 0.1.0: an installation
# of 0.2.0 or later has a manifest of its own.
set -euf
cd "$(dirname "$0")/.."

# versions SOURCE TARGET: each content that the source has had.
versions() {
    git log --format=%H -- "$1" | while read -r commit; do
        git show "$commit:$1" 2>/dev/null | sha256sum | sed "s,-\$,$2,"
    done | sort -u | grep -v '^e3b0c44298fc1c149afbf4c8996fb924' || : # an empty one is a deletion
}

for script in init_firewall.sh fwcfg.sh switch_route.sh boot_lockdown.sh get_netif_names net_capabilities firewall_functions; do
    versions "scripts/$script" "usr/lib/af-conn/$script"
done
versions whitelist/whitelist.prod etc/af-conn/whitelist
versions whitelist/whitelist.dev etc/af-conn/whitelist
versions scripts/netif_names etc/af-conn/netif_names
versions scripts/openwrt/connmgr.config etc/config/connmgr
