#!/bin/sh
# A whitelist with more addresses and prefixes than leave room for names: check and reload refuse it, a start logs an
# error and uses the first 32,768. Names still open addresses. Addresses, prefixes and IPv6; with sets of ipset and of
# nft.
# takes 40 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
# literals COUNT 4|32|6|80: prints addresses, or prefixes of that length. They do not cover the addresses of the names.
literals() {
    awk -v count="$1" -v kind="$2" 'BEGIN {
        for (i = 0; i < count; i++) {
            if (kind == 6) printf "2001:db8:8:%x::%x\n", i / 256, i % 256
            else if (kind == 80) printf "2001:db8:8:%x:%x::/80\n", i / 256, i % 256
            else printf "198.%d.%d.%d%s\n", i < 65536 ? 18 : 19, i < 65536 ? i / 256 : i / 256 - 128, i % 256, kind == 32 ? "/32" : ""
        }
    }'
}
whitelist() {
    { echo '*.fresh.example'; literals "$@"; } >"$LAB/etc/whitelist"
}
checked() { "$(connmgr_path)" check --config-dir "$LAB/etc" >"$LAB/said"; }
tells() { grep -E "whitelist:32770: $1 addresses and prefixes too many: at most 32768" "$2"; }
opens() { address=$(resolve "$1" "${2:-4}") && reaches "$address"; }
reaches() { case $1 in *:*) set -- "[$1]" ;; esac; on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=1"; }

for kind in 4 32 6 80; do
    whitelist 70000 "$kind"
    check "70,000 of kind $kind: check ends with 78" not checked
    check "and says why" tells 37232 "$LAB/said"
done
whitelist 32768 4
check "32,768 are all right" checked

FIREWALL=
scenario() {
    WITH="$1: "
    whitelist 40000 "$2"
    BACKEND=$1 start_connmgr --resolver 198.18.100.55
    wait_for 40 "${WITH}locked" log_has 'locked in '
    check "${WITH}the start says what is wrong" tells 7232 "$LAB/connmgr.log"
    wait_for 10 "${WITH}a name opens" opens "n$3.fresh.example"
    wait_for 10 "${WITH}by IPv6, too" opens "n$(($3 + 1)).fresh.example" 6
    whitelist 20000 "$2"
    check "${WITH}a reload with fewer" ask reload
    whitelist 70000 "$2"
    check "${WITH}a reload with more is refused" not ask reload
    ask reload >"$LAB/said" || :
    check "${WITH}it says why" tells 37232 "$LAB/said"
    wait_for 10 "${WITH}a further name opens" opens "n$(($3 + 2)).fresh.example"
    stop_connmgr || :
    unlock
}
use_variant legacy
is_nft || scenario iptables 4 100
scenario nft 6 200
