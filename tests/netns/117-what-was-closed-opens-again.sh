#!/bin/sh
# A failed lockdown closes both variants of iptables, or nft. What it has closed is open again once a lockdown is in
# force, or after unlock: also if the record of the old policies was lost or could not be written, and beside rules of
# other programs.
# takes 40 s, busy
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

ip netns add device
mkdir -p "$LAB/etc" "$LAB/closing" "$LAB/nonft"
: >"$LAB/etc/netif_names"
export CONNMGR_CONFIG_DIR="$LAB/etc" CONNMGR_RUN_DIR="$LAB/closing"
all='iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy'
for tool in $all; do command -v "$tool" >"$LAB/last" || { skip "no $tool"; exit 0; }; done
# The directory of the tools without nft, so that the policies are what closes.
for tool in sh grep mkdir rm cat sleep env $all iptables ip6tables; do ln -s "$(command -v "$tool")" "$LAB/nonft/$tool"; done

# policies: prints those of each table, as in "iptables-nft DROP DROP DROP".
policies() {
    for tool in $all; do
        printf '%s' "$tool"
        on device "$tool" -S 2>/dev/null | sed -n 's/^-P \(INPUT\|OUTPUT\|FORWARD\) / /p' | tr -d '\n'
        echo
    done
}
are() { [ "$(policies | sort)" = "$(printf '%s\n' "$@" | sort)" ]; }
each_is() { are "iptables-nft $1" "iptables-legacy $1" "ip6tables-nft $1" "ip6tables-legacy $1"; }
no_trace() { ! { on device nft list tables | grep connmgr_closed; for tool in $all; do on device "$tool" -S 2>/dev/null; done | grep CONNMGR_CLOSED; }; }
anew() {
    umount "$LAB/closing" 2>/dev/null || :
    rm -rf "$LAB/closing"
    mkdir "$LAB/closing"
    for tool in $all; do
        on device "$tool" -F
        on device "$tool" -X
        for hook in INPUT OUTPUT FORWARD; do on device "$tool" -P "$hook" ACCEPT; done
    done 2>/dev/null
    on device nft flush ruleset
}
close_all() { on device env PATH="$LAB/nonft" "$REPO/scripts/boot_lockdown.sh" --shut --run-dir "$LAB/closing" --config-dir "$LAB/etc" >"$LAB/said" 2>&1 || [ $? = 1 ]; }
opens() { on device env CONNMGR_FIREWALL="$1" "$REPO/scripts/init_firewall.sh" >"$LAB/said" 2>&1; }
# opened BACKEND [FORWARD]: the policies after the lockdown; FORWARD is that of iptables-legacy.
opened() {
    others="ACCEPT ${2:-ACCEPT} ACCEPT" # INPUT, FORWARD, OUTPUT
    case $1 in
        nft) are "iptables-nft ACCEPT ACCEPT ACCEPT" "iptables-legacy $others" "ip6tables-nft ACCEPT ACCEPT ACCEPT" "ip6tables-legacy ACCEPT ACCEPT ACCEPT" ;;
        *) are "iptables-nft DROP DROP DROP" "iptables-legacy $others" "ip6tables-nft DROP DROP DROP" "ip6tables-legacy ACCEPT ACCEPT ACCEPT" ;;
    esac
}

for backend in nft iptables; do
    for lost in no full record; do
        case $backend.$lost in iptables.no | iptables.full) continue ;; esac
        anew
        for tool in iptables-legacy ip6tables-legacy iptables-nft; do on device "$tool" -A INPUT -p tcp --dport 9 -j ACCEPT; done
        [ "$lost" != full ] || { mount -t tmpfs -o size=4k tmpfs "$LAB/closing" && head -c 4096 /dev/zero >"$LAB/closing/x"; }
        close_all
        check "$backend, lost: $lost: all is closed" each_is "DROP DROP DROP"
        [ "$lost" != record ] || rm -rf "$LAB/closing"
        [ "$lost" != full ] || umount "$LAB/closing"
        check "$backend, lost: $lost: locked" opens "$backend"
        check "$backend, lost: $lost: what is no part of the lockdown is open" opened "$backend"
        check "$backend, lost: $lost: no trace" no_trace
    done
    anew
    on device iptables-legacy -P FORWARD DROP
    close_all
    close_all
    check "$backend: closed twice, locked" opens "$backend"
    check "$backend: a policy of before is as before" opened "$backend" DROP
    check "$backend: no trace" no_trace
done
anew
on device ip6tables-legacy -A INPUT -p tcp --dport 9 -j ACCEPT
close_all
rm -rf "$LAB/closing"
check "closed, the record lost: unlock" on device "$REPO/scripts/fwcfg.sh" unlock
check "all is open" each_is "ACCEPT ACCEPT ACCEPT"
check "no trace" no_trace
