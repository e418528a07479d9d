#!/bin/sh
# Another program flushes the firewall, opens its policies, inserts rules in front, or empties the sets: the
# daemon notices and repairs it, with both variants of iptables. With nf_tables at once, with the legacy
# tables at the next look, every 8 s. If the program goes on, each change is still repaired at once.
# takes 60 s
. "$(dirname "$0")/lib.sh"

FIREWALL=
lab_up
system_path=$PATH
reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=0.5"; }
is_repaired() { restored && reaches 198.18.100.10 && not reaches 198.18.100.8; }
repairs() { grep -cE 'another program changed the firewall, restoring it|changed the lockdown' "$LAB/connmgr.log" || :; }
counted() { ask metrics | sed -n 's/^connmgr_firewall_repairs_total //p'; }
# In this time a repair every 8 s is not enough.
restored_often() { [ "$(counted)" -ge "$((counted + 10))" ]; }
undisturbed() { [ "$(repairs)" = 0 ]; }
settled_down() { grep -q 'in use: eth0' "$LAB/connmgr.log" && restored && reaches 198.18.100.10; }

open_policy() {
    if is_nft; then
        on device nft 'chain inet connmgr output { policy accept; }'
    else
        on device iptables -P OUTPUT ACCEPT
        on device ip6tables -P OUTPUT ACCEPT
    fi
}
rule_in_front() { if is_nft; then on device nft insert rule inet connmgr output accept; else on device iptables -I OUTPUT -j ACCEPT; fi; }
empty_set() { if is_nft; then on device nft flush set inet connmgr afero4; else on device ipset flush afero4; fi; }

variant() {
    VARIANT=$1 within=$2
    mkdir -p "$LAB/$VARIANT"
    is_nft || for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "$(command -v "${tool%%-*}-$VARIANT${tool#ip*tables}")" "$LAB/$VARIANT/$tool"
    done
    PATH="$LAB/$VARIANT:$system_path"
    start_connmgr
    wait_for 8 "$VARIANT: locked, and open what is whitelisted" settled_down
    # The second run is over: the script's own changes do not count as another program's.
    stays 6 "$VARIANT: it leaves its own changes alone" undisturbed
    # That run began 5 s after the first and takes longer on a busy machine; what is changed meanwhile counts as its own.
    wait_for 20 "$VARIANT: the second run is over" not pgrep -f init_firewall.sh

    flush_rules
    wait_for "$within" "$VARIANT: flushed: restored" is_repaired
    open_policy
    wait_for "$within" "$VARIANT: a policy: restored" is_repaired
    rule_in_front
    wait_for "$within" "$VARIANT: a rule in front: restored" is_repaired
    is_nft || on device iptables -D OUTPUT -j ACCEPT
    empty_set
    wait_for 10 "$VARIANT: the sets emptied: filled again" reaches 198.18.100.10
    flush_rules
    open_policy
    ask reload
    wait_for 2 "$VARIANT: reload restores at once" is_repaired
}

echo echo.example >"$LAB/etc/whitelist"
variant nft 3
# Another program flushes the rules after each repair.
(while :; do ! restored || flush_rules; sleep 0.2; done) 2>/dev/null &
fighter=$!
wait_for 60 "flushed again and again: it says so" log_has 'another program changes the firewall again and again, restoring it each time'
counted=$(counted)
wait_for 30 "and is not slower to restore it" restored_often
kill "$fighter"
wait "$fighter" 2>/dev/null || :
wait_for 12 "it has the last word" is_repaired
stop_connmgr
! is_nft || exit 0
on device sh -c 'nft flush ruleset 2>/dev/null || { iptables -F; ip6tables -F; iptables -X; ip6tables -X; }'
for table in iptables ip6tables; do for hook in INPUT OUTPUT FORWARD; do on device $table -P $hook ACCEPT; done; done
variant legacy 25
