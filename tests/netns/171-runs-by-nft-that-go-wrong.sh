#!/bin/sh
# The lockdown in nf_tables, with nft as the only tool: another program changes it while init_firewall.sh runs, the script
# then fails, its report is lost in other output, or it hangs. The device is never left open.
# takes 90 s
. "$(dirname "$0")/lib.sh"

FIREWALL=
BACKEND=auto
lab_up
reaches() { on device socat -u OPEN:/dev/null "TCP4:$1:80,connect-timeout=0.9"; }
repaired() { reaches 198.18.100.10 && not reaches 198.18.100.8; }
runs() { [ "$(cat "$LAB/runs" 2>/dev/null || echo 0)" -ge "$1" ]; }
printf '%s\n' echo.example 198.18.100.10 >"$LAB/etc/whitelist"

# The daemon and its scripts find nothing else.
bare_tools ip nft
printf '#!/bin/sh\nPATH=%s exec %s "$@"\n' "$LAB/bare" "$(connmgr_path)" >"$LAB/bare-connmgr"
chmod +x "$LAB/bare-connmgr"
CONNMGR=$LAB/bare-connmgr

# The real script, and then what is in $LAB/after, with the number of the run.
mkdir "$LAB/scripts"
cp "$REPO"/scripts/* "$LAB/scripts/" 2>/dev/null || :
cat >"$LAB/scripts/init_firewall.sh" <<END
#!/bin/sh
run=\$((\$(cat "$LAB/runs" 2>/dev/null || echo 0) + 1))
[ ! -e "$LAB/before" ] || . "$LAB/before"
"$REPO/scripts/init_firewall.sh" || exit
trap 'echo "\$run" >"$LAB/runs"' EXIT
. "$LAB/after"
END
chmod +x "$LAB/scripts/init_firewall.sh"
SCRIPTS=$LAB/scripts
again() {
    rm -f "$LAB/runs" "$LAB/before"
    on device nft flush ruleset
}

opens='nft insert rule inet connmgr output accept; nft insert rule inet connmgr input accept'
for change in "$opens" 'nft flush chain inet connmgr output' "nft chain inet connmgr output '{ policy accept; }'"; do
    again
    echo "[ \$run != 2 ] || { $change; }" >"$LAB/after"
    start_connmgr
    wait_for 30 "$change, at the end of the second run" runs 2
    wait_for 30 "it is undone" repaired
    stop_connmgr
done

again
echo "[ \$run -lt 2 ] || { $opens; exit 3; }" >"$LAB/after"
start_connmgr
wait_for 30 "the second run fails, and rules that open were added meanwhile" runs 2
wait_for 10 "it says so" log_has 'cannot lock the firewall: init_firewall.sh: exit status 3'
wait_for 10 "they are taken out" repaired
stop_connmgr

# A device gets another name while the script locks for the first time: one more run waits. Its changes are connmgr's own.
again
: >"$LAB/after"
echo "while [ -e '$LAB/slow' ]; do : >'$LAB/began'; sleep 0.1; done" >"$LAB/before"
: >"$LAB/slow"
start_connmgr
wait_for 10 "the script runs" test -e "$LAB/began"
ip -n device -batch - <<'END'
link set wlan0 down name wlan7
link property add dev wlan7 altname wlan0
link set wlan7 up
END
wait_for 10 "meanwhile, a link gets another name" log_has 'wlan0: .* -> ITFDOWN_S'
rm "$LAB/slow"
wait_for 30 "another run follows" runs 2
check "neither is taken for another program" not log_has 'changed the lockdown'
check "it is locked" repaired
on device nft flush chain inet connmgr output
wait_for 10 "another program is still noticed" log_has 'changed the lockdown'
wait_for 10 "and undone" repaired
stop_connmgr
ip -n device -batch - <<'END'
link property del dev wlan7 altname wlan0
link set wlan7 down name wlan0
link set wlan0 up
END

again
# shellcheck disable=SC2016  # the script's business
echo 'for i in $(seq 300); do echo "a line that the report is lost in"; done' >"$LAB/before"
: >"$LAB/after"
start_connmgr
wait_for 30 "the report is lost: locked all the same" log_has 'locked in .* addresses by nft'
wait_for 30 "the second run" runs 2
wait_for 10 "it stays locked, and open what is whitelisted" repaired
check "the table is there" on device nft list chain inet connmgr output
stop_connmgr

# It hangs, at the first run: the daemon closes by boot_lockdown.sh, which does not run it again.
again
echo 'sleep 1000' >"$LAB/before"
check "open before" reaches 198.18.100.8
spawn_connmgr
status=0
wait "$CONNMGR_PID" || status=$?
check "a script that hangs: it ends with 71" test "$status" = 71
check "and has closed" log_has 'closed by boot_lockdown.sh'
check "nothing gets out" not reaches 198.18.100.8
check "by a table of its own" on device nft list table inet connmgr_closed
again

# The same when the device boots.
sed 's/sleep 60/sleep 2/' "$REPO/scripts/boot_lockdown.sh" >"$LAB/scripts/boot_lockdown.sh"
echo 'sleep 1000' >"$LAB/before"
boot() {
    on device "$(command -v env)" PATH="$LAB/bare" "$LAB/scripts/boot_lockdown.sh" --script-dir "$LAB/scripts" \
        --config-dir "$LAB/etc" --run-dir "$LAB/run" 2>&1 | cat >"$LAB/boot"
}
boot
check "it closes" grep -q 'shut: the table inet connmgr_closed' "$LAB/boot"
check "at boot, nothing gets out" not reaches 198.18.100.8
