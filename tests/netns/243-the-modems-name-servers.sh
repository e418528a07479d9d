#!/bin/sh
# /tmp/resolv.conf.wan, which scripts of the original write for the modem: its servers are asked for WAN_INTERFACE_0,
# and --resolv-conf uses them when that link is in use. Every user may write to /tmp, so the file counts only if it is a
# regular file of root.
# takes 40 s
. "$(dirname "$0")/lib.sh"

case $REPO in /tmp/*) skip "the repository is below /tmp, which this test replaces"; exit 0 ;; esac
mkdir -p /run/here
mount --bind "$LAB" /run/here
LAB=/run/here
mount -t tmpfs -o mode=1777 tmpfs /tmp
file=/tmp/resolv.conf.wan

RESOLVER=
lab_up
# No server is known: dnsmasq on this host has none, and the gateways serve no DNS.
echo "nameserver 127.0.0.1" >"$LAB/resolv.conf"
start_connmgr --no-ping --wan-probe always --resolv-conf "$LAB/written"
failed() { state eth0 ITFUP_SF && state wwan0 ITFUP_SF; }
wait_for 10 "without a name server no link is confirmed" failed
before=$(probes wwan0)
more() { [ "$(probes wwan0)" -gt "$before" ]; }

setpriv --reuid=nobody --clear-groups sh -c "echo 'nameserver 198.18.100.53' >$file"
wait_for 15 "a file of another user: LTE is probed again" more
check "and not confirmed" not state wwan0 ITFUP_SS
rm "$file"
echo 'nameserver 198.18.100.53' >/run/another
ln -s /run/another "$file"
before=$(probes wwan0)
wait_for 30 "a link: LTE is probed again" more
check "and not confirmed" not state wwan0 ITFUP_SS
rm "$file"

# As wannetwork writes it: two spaces, and renamed.
echo "nameserver " 198.18.100.53 >"$file.tmp"
mv "$file.tmp" "$file"
wait_for 14 "a file of root: LTE is confirmed" state wwan0 ITFUP_SS
check "since it has other name servers" log_has 'probe of wwan0: started: has other name servers'

unplug eth0
unplug wlan0
wait_for 5 "LTE is in use" in_use wwan0
wait_for 5 "the resolver gets its server" grep -qx 'nameserver 198.18.100.53' "$LAB/written"
rm "$file"
before=$(probes wwan0)
wait_for 40 "the modem is gone, and its file: LTE is probed again" more
check "the daemon runs" connmgr_runs
