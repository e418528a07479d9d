#!/bin/sh
# This is connmgr's own switch_route.sh.
#
# switch_route.sh IFNAME: moves the default route to IFNAME, one of the links of netif_names. `connmgr
# route` does the work. The daemon does the same without this script, unless it finds a script of another
# origin in its place: with `--switch auto` it looks for the line above.
#
# Status 0: the default route leads over the link. 64: bad argument. 78: bad netif_names. 1: stderr says what
# did not work.
set -eu

[ $# = 1 ] || { echo "usage: ${0##*/} IFNAME" >&2; exit 64; }

# Finish even if the caller ends; this takes milliseconds.
trap '' HUP INT PIPE TERM

for connmgr in "${CONNMGR_EXECUTABLE:-}" "$(command -v connmgr || :)" /usr/sbin/connmgr /usr/bin/connmgr; do
    [ -z "$connmgr" ] || [ ! -x "$connmgr" ] || exec "$connmgr" route \
        --config-dir "${CONNMGR_CONFIG_DIR:-/etc/af-conn}" --run-dir "${CONNMGR_RUN_DIR:-/var/run/connmgr}" -- "$1"
done
echo "${0##*/}: cannot find connmgr" >&2
exit 1
