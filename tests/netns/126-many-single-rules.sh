#!/bin/sh
# Thousands of addresses as single rules, and slow scripts: their time limits grow with the addresses, so none is
# killed. Many addresses are closed in one step, which keeps the rules that were added by hand.
# takes 110 s
. "$(dirname "$0")/lib.sh"
iptables_only "single rules"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

FIREWALL=
lab_up
rules_of() { on device iptables-save | grep -c -- '--comment connmgr' || :; }
literals() {
    awk -v count="$1" 'BEGIN {
        for (i = 0; i < count; i++) {
            printf "198.18.%d.%d\n", 200 + i / 250, i % 250
            printf "2001:db8:8:%x::/64\n", i
            printf "198.19.%d.%d/31\n", i / 125, i % 125 * 2
        }
    }'
}
# Scripts that are slow, as on a small processor.
use_variant legacy
no_sets
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
cp -r "$REPO/scripts" "$SCRIPTS/real"
for script in init_firewall.sh fwcfg.sh; do
    cat >"$SCRIPTS/$script" <<END
#!/bin/sh
case \${1-} in sync | '') [ -e "$SCRIPTS/$script.slow" ] || { : >"$SCRIPTS/$script.slow"; sleep 32; } ;; esac
exec $SCRIPTS/real/$script "\$@"
END
    chmod +x "$SCRIPTS/$script"
done
{ echo echo.example; literals 1500; } >"$LAB/etc/whitelist"
start_connmgr
wait_for 110 "4,500 addresses, and a script of more than 30 s: locked" log_has 'locked in ([3-9]|1.)[0-9]{4} ms; addresses by rules'
is_there() { on device iptables-save | grep -q -- "-s $1 .*--comment connmgr" && on device ip6tables-save | grep -q -- '-s 2001:db8:8:5db::/64 .*--comment connmgr'; }
wait_for 110 "and one of more than 30 s that makes their rules" is_there 198.18.205.249/32
check "none was killed" not log_has 'killed|took longer'
# Closing many writes the chains anew: what was added by hand stays.
check "an address is added by hand" on device env CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/run" \
    sh "$REPO/scripts/fwcfg.sh" add 198.18.100.8 'by hand, too'
{ echo echo.example; literals 20; } >"$LAB/etc/whitelist"
ask reload >"$LAB/last"
closed() { ! on device iptables-save | grep -q -- '-s 198.18.205.249/32 ' && ! on device ip6tables-save | grep -q -- '-s 2001:db8:8:5db::/64 '; }
wait_for 60 "a reload with 60: the others are closed" closed
by_hand() { on device iptables-save | grep -- '-A AFERO_ALLOW_WHITELIST_OUTPUT -d 198.18.100.8/32 .*--comment "by hand, too"'; }
check "what was added by hand is still there" by_hand
check "it is open" reaches 198.18.100.8
check "and what is still whitelisted" test "$(rules_of)" -ge 80
