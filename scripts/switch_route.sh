#!/bin/sh
# This is connmgr's own switch_route.sh.
#
# switch_route.sh IFNAME: makes IFNAME, one of the three links of netif_names, the way out. `connmgr route` does the
# work, and the daemon does the same without this script, unless it finds another one in its place: with `--switch auto`
# it looks for the line above.
#
# Status 0: the link is the way out. 64: bad argument. 78: bad netif_names. 1: stderr says what did not work.
set -eu

[ $# = 1 ] || { echo "usage: ${0##*/} IFNAME" >&2; exit 64; }

# This takes milliseconds, and is finished, whoever goes away.
trap '' HUP INT PIPE TERM

for connmgr in "${CONNMGR_EXECUTABLE:-}" "$(command -v connmgr || :)" /usr/sbin/connmgr /usr/bin/connmgr; do
    [ -z "$connmgr" ] || [ ! -x "$connmgr" ] || exec "$connmgr" route \
        --config-dir "${CONNMGR_CONFIG_DIR:-/etc/af-conn}" --run-dir "${CONNMGR_RUN_DIR:-/var/run/connmgr}" -- "$1"
done
echo "${0##*/}: cannot find connmgr" >&2
exit 1
