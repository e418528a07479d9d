#!/bin/sh
# `connmgr -d` on a device that an earlier start has locked: the log, stderr and status say so, with the command
# that unlocks. What ends a start is said on stderr, too, if the log goes to syslog. Names of links that do not exist.
# takes 20 s
. "$(dirname "$0")/lib.sh"

lab_up
for backend in iptables nft; do
    BACKEND=$backend FIREWALL=
    echo echo.example >"$LAB/etc/whitelist"
    start_connmgr
    wait_for 10 "$backend: locked" log_has '^<6> ?locked in '
    check "$backend: the log says what unlocks" log_has "'connmgr unlock' unlocks"
    stop_connmgr
    check "$backend: the end says that the device stays locked" log_has "stays locked; 'connmgr unlock'"
    check "$backend: no daemon: status says so, too" exits 69 ask status
    check "$backend: with the command" said_has "locked by an earlier start.*'connmgr unlock'"

    unset FIREWALL
    start_connmgr
    check "$backend: -d: the log warns" log_has "^<4> ?the device is locked by an earlier start"
    wait_for 10 "$backend: -d: eth0 is confirmed" state eth0 ITFUP_SS
    check "$backend: -d: status ends with 1 all the same" exits 1 ask status
    check "$backend: -d: it says why" said_has '^firewall +locked by an earlier start'
    check "$backend: -d: JSON is valid" status_is_valid
    check "$backend: -d: metrics" metrics_have '^connmgr_locked_by_earlier_start 1$'
    on device "$(connmgr_path)" unlock --script-dir "$REPO/scripts" --run-dir "$LAB/run" >"$LAB/said" 2>&1
    wait_for 2 "$backend: -d: after unlock status ends with 0" exits 0 ask status
    check "$backend: -d: and says nothing" not said_has '^firewall'
    stop_connmgr
done

mkdir -p "$LAB/none"
to_syslog() { on device "$(connmgr_path)" --log syslog --no-attrd --config-dir "$LAB/etc" --run-dir "$LAB/run" --script-dir "$LAB/none" "$@"; }
check "it cannot lock: 78" exits 78 to_syslog
check "stderr says why, although the log goes to syslog" said_has '^connmgr: cannot lock the firewall: '
echo "ETH_INTERFACE_0='eth/0'" >"$LAB/etc/netif_names"
check "a bad netif_names: 78" exits 78 to_syslog -d
check "stderr says where" said_has "^connmgr: $LAB/etc/netif_names:1: "

printf "ETH_INTERFACE_0='enp1s0'\nWIFISTA_INTERFACE_0='wlp2s0'\nWAN_INTERFACE_0='wwp3s0'\n" >"$LAB/etc/netif_names"
start_connmgr
names='no interface enp1s0, wlp2s0, wwp3s0; present: .*eth0 \(default route\)'
wait_for 10 "no link exists: the log says which interfaces do" log_has "^<4> ?$names"
check "status says it" status_has '^names +no interface enp1s0'
check "JSON is valid" status_is_valid
check "check says it, as a warning" exits 0 on device "$(connmgr_path)" check -d --config-dir "$LAB/etc"
check "with the names" said_has "$names.*\(warning\)\$"
