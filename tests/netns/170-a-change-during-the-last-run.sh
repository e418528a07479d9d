#!/bin/sh
# Another program flushes the rules, or opens a policy, after init_firewall.sh has written them and before it ends, in
# the last run that is planned. The daemon cannot tell that from the script's own changes, but repairs the rules all the
# same.
# takes 130 s, busy
. "$(dirname "$0")/lib.sh"
iptables_only "171 shows the same"

FIREWALL=
lab_up
reaches() { on device socat -u OPEN:/dev/null "TCP4:$1:80,connect-timeout=0.9"; }
locked() {
    for lab_tool in iptables ip6tables; do
        on device "$LAB/$VARIANT/$lab_tool" -S 2>/dev/null | grep -cE '^-P (INPUT|OUTPUT|FORWARD) DROP$' | grep -qx 3 || return
    done
}
repaired() { locked && reaches 198.18.100.10 && not reaches 198.18.100.8; }
disturbed_twice() { [ "$(cat "$LAB/runs" 2>/dev/null)" -ge 2 ]; }
system_path=$PATH

mkdir "$LAB/scripts"
cp "$REPO"/scripts/* "$LAB/scripts/" 2>/dev/null || :
cat >"$LAB/scripts/init_firewall.sh" <<END
#!/bin/sh
"$REPO/scripts/init_firewall.sh" || exit
runs=\$((\$(cat "$LAB/runs" 2>/dev/null || echo 0) + 1))
[ "\$runs" != 2 ] || . "$LAB/disturb"
echo "\$runs" >"$LAB/runs"
END
chmod +x "$LAB/scripts/init_firewall.sh"
SCRIPTS=$LAB/scripts
printf '%s\n' echo.example 198.18.100.10 >"$LAB/etc/whitelist"

for VARIANT in nft legacy; do
    mkdir -p "$LAB/$VARIANT"
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "$(command -v "${tool%%-*}-$VARIANT${tool#ip*tables}")" "$LAB/$VARIANT/$tool"
    done
    PATH="$LAB/$VARIANT:$system_path"
    for disturbance in 'iptables -F' 'ip6tables -P OUTPUT ACCEPT' 'iptables -I OUTPUT -j ACCEPT'; do
        rm -f "$LAB/runs"
        echo "$disturbance" >"$LAB/disturb"
        start_connmgr
        wait_for 30 "$VARIANT: $disturbance at the end of the second run" disturbed_twice
        wait_for 40 "$VARIANT: it is restored" repaired
        stop_connmgr
        on device "$SCRIPTS/fwcfg.sh" unlock >"$LAB/unlocked" 2>&1 || :
    done
done
