#!/bin/sh
# The daemon's lockdown in nf_tables, where the system has nft, BusyBox without awk, ip, and nothing else: it
# locks, opens what the whitelist names, undoes another program's changes at once, and knows after a restart
# what was open. If neither nft nor iptables is installed, it reports that and ends, or manages the links of
# the open device.
# takes 35 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/fresh.sh"

FIREWALL=
BACKEND=auto
lab_up
fresh_names
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=0.9"; }
reaches_soon() { poll 5 reaches "$1"; }
resolves() { on device getent ahostsv4 "$1"; }
no_output() { [ -z "$("$@")" ]; }
first() {
    seq "$1" "$2" | while read -r n; do
        reaches "h-198-18-101-$n.fresh.example" 2>/dev/null || echo "$n"
    done
}

# The daemon and its scripts find nothing else.
bare_tools ip nft
real=$(connmgr_path)
printf '#!/bin/sh\nPATH=%s exec %s "$@"\n' "$LAB/bare" "$real" >"$LAB/bare-connmgr"
chmod +x "$LAB/bare-connmgr"
CONNMGR=$LAB/bare-connmgr

printf '%s\n' '*.fresh.example' echo.example 198.18.102.0/24 198.18.102.128/25 2001:db8:100::10 >"$LAB/etc/whitelist"
start_connmgr --dns auto
wait_for 10 "it locks by nft" log_has 'locked in [0-9]+ ms; addresses by nft; DNS: (hold|sniff)'
check "status: by nft, and no reason why not" status_has '^firewall +locked, addresses by nft$'
wait_for 10 "eth0 is in use" in_use eth0
wait_for 10 "probes pass by their mark" state eth0 ITFUP_SS
wait_for 10 "an exact name is open without anybody asking" reaches 198.18.100.10
check "a literal prefix is open" reaches 198.18.102.1
check "IPv6, too" reaches '[2001:db8:100::10]'
check "what is not whitelisted is shut" not reaches 198.18.100.8
if log_has 'DNS: hold'; then
    check "no first connection to a fresh address is lost" no_output first 1 40
else
    skip "this kernel has no queue for nf_tables: no reply is held"
    resolves h-198-18-101-1.fresh.example >/dev/null
    check "a fresh name is open" reaches_soon 198.18.101.1
fi

is_locked() { on device nft list chain inet connmgr output | grep -q 'policy drop'; }
on device nft flush ruleset
wait_for 5 "nft flush ruleset is undone (179: in a loop)" is_locked
wait_for 5 "what was open is open again" reaches 198.18.102.1
check "what was learned, too" reaches 198.18.101.1
check "and nothing else" not reaches 198.18.100.8
check "it says who did it" log_has 'nft \(process [0-9]+\) changed the lockdown, restored it'
on device nft delete element inet connmgr afero4_prefixes '{ 198.18.102.0/24 }'
wait_for 5 "a prefix that is taken out is back" reaches 198.18.102.1
on device nft insert rule inet connmgr output accept
wait_for 5 "a rule that opens is gone" not reaches 198.18.100.8

kill -KILL "$CONNMGR_PID"
wait "$CONNMGR_PID" 2>/dev/null || :
check "killed: what was open is open" reaches 198.18.101.1
check "killed: nothing else is" not reaches 198.18.100.8
start_connmgr --dns auto
wait_for 10 "started again: by nft" log_has 'addresses by nft'
check "started again: it knows what was open" log_has '[1-9][0-9]* names* of open addresses kept'
check "started again: that is open" reaches 198.18.101.1

printf '%s\n' '*.fresh.example' 198.18.102.128/25 >"$LAB/etc/whitelist"
ask reload >"$LAB/reload"
wait_for 5 "reload: what went from the whitelist is shut" not reaches 198.18.102.1
check "reload: the prefix within stays" \
    sh -c "nsenter --net=/run/netns/device nft list set inet connmgr afero4_prefixes | grep -q 198.18.102.128/25"
check "reload: what stays on it is open" reaches 198.18.101.1
stop_connmgr || :
check "stopped: locked" not reaches 198.18.100.8

# Neither nft nor iptables.
on device nft flush ruleset
rm "$LAB/bare/nft"
spawn_connmgr --dns auto
status=0
wait "$CONNMGR_PID" || status=$?
check "neither nft nor iptables: it ends with 78" test "$status" = 78
check "and says what is missing" log_has 'there is neither nft nor iptables: install'
start_connmgr --dns auto --on-firewall-failure manage-links
wait_for 10 "--on-firewall-failure manage-links: it manages links" in_use eth0
check "and says so" log_has 'cannot lock the firewall, managing the links of the open device: .* neither nft nor iptables'
stop_connmgr || :
