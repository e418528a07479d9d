#!/bin/sh
# init_firewall.sh is missing, fails or hangs: the daemon closes the firewall of both families itself. It ends
# with 78 if another start would not help, else with 71. A failing firewall.user does not count as such a
# failure.
# takes 50 s
# also by nft
. "$(dirname "$0")/lib.sh"

FIREWALL=
lab_up
SCRIPTS=$LAB/scripts
cp -r "$REPO/scripts" "$SCRIPTS"
policies() { on device "$1" -S | grep -c -- '^-P [A-Z]* DROP' || :; }
closed() {
    if is_nft; then
        [ "$(on device nft list table inet connmgr_closed | grep -c 'policy drop')" = 3 ]
    else
        [ "$(policies iptables)" = 3 ] && [ "$(policies ip6tables)" = 3 ]
    fi
}
status_has_json() { ask status --json | grep -qE "$1"; }
reaches() { on device socat -u OPEN:/dev/null "TCP:${1:-198.18.100.8}:80,connect-timeout=0.5"; }
open_again() {
    if is_nft; then
        on device nft flush ruleset
        return
    fi
    for table in iptables ip6tables; do for hook in INPUT OUTPUT FORWARD; do on device $table -P $hook ACCEPT; done; done
}

# fails DESC SECONDS STATUS REGEX
fails() {
    check "$1: open before" reaches
    spawn_connmgr
    poll "$2" not connmgr_runs || kill -KILL "$CONNMGR_PID"
    status=0
    wait "$CONNMGR_PID" || status=$?
    check "$1: exit status $3" test "$status" = "$3"
    check "$1: it says why" log_has "$4"
    check "$1: it says what it did" log_has "$CLOSED"
    check "$1: both families are closed" closed
    check "$1: nothing gets out" not reaches
    open_again
}

CLOSED='closed: the policies of INPUT, FORWARD and OUTPUT are DROP'
if is_nft; then
    # Without any script it needs nft alone. A lockdown that is in force stays.
    CLOSED='closed: the table inet connmgr_closed drops everything except loopback and DHCP'
    mv "$SCRIPTS" "$LAB/away"
    fails "no scripts" 5 78 "cannot lock the firewall: init_firewall.sh: cannot run .*No such file"
    mv "$LAB/away" "$SCRIPTS"
    echo 'exit 3' >"$SCRIPTS/boot_lockdown.sh"
    printf '#!/bin/sh\nexit 3\n' >"$SCRIPTS/init_firewall.sh"
    fails "the script for that fails, too" 5 71 'cannot lock the firewall: init_firewall.sh: exit status 3'
    cp "$REPO/scripts/init_firewall.sh" "$REPO/scripts/boot_lockdown.sh" "$SCRIPTS/"
    echo echo.example >"$LAB/etc/whitelist"
    start_connmgr
    wait_for 5 "a lockdown is in force" log_has 'locked in'
    stop_connmgr
    mv "$SCRIPTS" "$LAB/away"
    spawn_connmgr
    status=0
    wait "$CONNMGR_PID" || status=$?
    check "then no scripts: exit status 78" test "$status" = 78
    check "it leaves the lockdown as it is" log_has 'the earlier lockdown stays in force; .*.connmgr unlock. unlocks'
    check "and closes nothing else" not on device nft list table inet connmgr_closed
    check "what is whitelisted is open" reaches 198.18.100.10
    check "and nothing else" not reaches
    # Another program has opened it meanwhile: that is no lockdown.
    shut_table_is_there() { on device nft list table inet connmgr_closed; }
    for change in 'insert rule inet connmgr output accept' 'chain inet connmgr input { policy accept; }'; do
        on device nft "$change"
        spawn_connmgr
        wait "$CONNMGR_PID" || :
        check "$change, and no scripts: it closes" log_has "$CLOSED"
        check "the table is there" shut_table_is_there
        on device nft delete table inet connmgr_closed
        boot() {
            on device sh "$LAB/away/boot_lockdown.sh" --shut --script-dir "$LAB/away" --config-dir "$LAB/etc" --run-dir "$LAB/run"
        }
        check "boot_lockdown.sh: status 1" exits 1 boot
        check "boot_lockdown.sh closes, too" said_has 'the table inet connmgr_closed drops all'
        check "the table is there" shut_table_is_there
        check "nothing gets out" not reaches
        on device nft delete table inet connmgr_closed
        ! on device nft list chain inet connmgr output | grep -qw accept || on device nft 'flush chain inet connmgr output
            add rule inet connmgr output jump AFERO_ALLOW_SERVICE_OUTPUT'
    done
    # A dormant table drops nothing, whatever its chains say. It is the lockdown again.
    on device nft 'add chain inet connmgr input { policy drop; }'
    for closes in spawn boot; do
        on device nft 'add table inet connmgr { flags dormant; }'
        case $closes in
            spawn) spawn_connmgr && { wait "$CONNMGR_PID" || :; } ;;
            boot) boot || : ;;
        esac
        check "a dormant table, $closes: nothing gets out" not reaches
        check "what is whitelisted is open" reaches 198.18.100.10
    done
    mv "$LAB/away" "$SCRIPTS"
    rm -rf "$LAB/run/holes" "$LAB/etc/whitelist"
    open_again
    CLOSED='closed by boot_lockdown.sh'
else
    # With one variant of iptables and nft. The lockdown is in force for IPv4 alone: another program accepts all of IPv6.
    mkdir "$LAB/one"
    for tool in iptables ip6tables; do
        for suffix in '' -save -restore; do ln -s "$(command -v "$tool-legacy$suffix")" "$LAB/one/$tool$suffix"; done
    done
    for tool in nft grep sh mkdir cat rm sleep; do ln -s "$(command -v $tool)" "$LAB/one/$tool"; done
    reaches6() { on device socat -u OPEN:/dev/null 'TCP6:[2001:db8:100::8]:80,connect-timeout=0.5'; }
    boot() {
        on device env PATH="$LAB/one" sh "$SCRIPTS/boot_lockdown.sh" --shut --script-dir "$SCRIPTS" --config-dir "$LAB/etc" --run-dir "$LAB/run"
    }
    system_path=$PATH
    PATH=$LAB/one:$PATH
    start_connmgr
    wait_for 5 "a lockdown of one variant is in force" log_has 'locked in'
    stop_connmgr
    boot || :
    check "both families are locked: nothing else is closed" not on device nft list table inet connmgr_closed
    for hook in INPUT OUTPUT FORWARD; do
        on device ip6tables -w -F $hook
        on device ip6tables -w -A $hook -j ACCEPT
    done
    check "IPv6 is open" reaches6
    boot || :
    check "boot_lockdown.sh closes IPv6, too" not reaches6
    check "and IPv4" not reaches
    on device nft 'delete table inet connmgr_closed'
    on device sh "$SCRIPTS/fwcfg.sh" unlock
    for hook in INPUT OUTPUT FORWARD; do on device ip6tables -w -F $hook; done
    PATH=$system_path
fi
rm "$SCRIPTS/init_firewall.sh"
fails missing 5 78 "cannot lock the firewall: init_firewall.sh: cannot run .*No such file"
printf '#!/bin/sh\necho "no tables today" >&2\nexit 3\n' >"$SCRIPTS/init_firewall.sh"
chmod +x "$SCRIPTS/init_firewall.sh"
fails failing 5 71 'cannot lock the firewall: init_firewall.sh: exit status 3, saying .no tables today'
printf '#!/bin/sh\ntrap "" TERM\nsleep 1000\n' >"$SCRIPTS/init_firewall.sh"
fails hanging 40 71 'cannot lock the firewall: init_firewall.sh: killed: it took longer than 30 s'

cp "$REPO/scripts/init_firewall.sh" "$SCRIPTS/init_firewall.sh"
echo 'echo.example' >"$LAB/etc/whitelist"
echo 'exit 4' >"$LAB/etc/firewall.user"
check "firewall.user fails: open before" reaches
start_connmgr
wait_for 5 "firewall.user fails: locked without it" log_has 'locked in'
wait_for 5 "and what is whitelisted is open" reaches 198.18.100.10
check "and nothing else" not reaches
failed='firewall\.user failed with status 4'
check "the log says it, once, as an error" test "$(grep -cE "^<3>.*$failed" "$LAB/connmgr.log")" = 1
wait_for 10 "a link is confirmed" log_has 'ITFUP_SS: '
check "status says it" status_has "^ +$failed"
check "and ends with 1" exits 1 ask status
check "status --json, too" status_has_json '"firewall_user_status": *4'
check "as the schema has it" status_is_valid
check "metrics, too" metrics_have '^connmgr_firewall_user_failed 1$'
# It does not parse any more, then it is repaired.
echo 'if' >"$LAB/etc/firewall.user"
ask reload >"$LAB/last"
wait_for 10 "another failure after a reload: status says it" status_has '^ +firewall\.user failed with status 2'
echo ':' >"$LAB/etc/firewall.user"
ask reload >"$LAB/last"
wait_for 10 "repaired and reloaded: it is gone" exits 0 ask status
check "from metrics, too" metrics_have '^connmgr_firewall_user_failed 0$'
# It succeeds, but takes the lockdown with it.
if is_nft; then echo 'nft flush ruleset' >"$LAB/destroy"; else
    cat >"$LAB/destroy" <<'END'
for table in iptables ip6tables; do
    for hook in INPUT OUTPUT FORWARD; do $table -P $hook ACCEPT; done
    $table -F
done
END
fi
{ echo "echo run >>$LAB/runs"; cat "$LAB/destroy"; } >"$LAB/etc/firewall.user"
ask reload >"$LAB/last"
wait_for 10 "firewall.user removes the lockdown: status says that it failed" status_has '^ +firewall\.user failed with status 1'
check "locked without it" not reaches
wait_for 5 "and what is whitelisted is open" reaches 198.18.100.10
one_run() { [ "$(wc -l <"$LAB/runs")" = 1 ]; }
stays 7 "and no repair runs it again" one_run
check "locked all the time" not reaches
echo "echo run >>$LAB/runs" >"$LAB/etc/firewall.user"
ask reload >"$LAB/last"
wait_for 10 "changed, it is run again: status has no failure" exits 0 ask status
stop_connmgr
rm "$LAB/etc/firewall.user"
if is_nft; then
    on device nft 'add table inet connmgr_closed
        add chain inet connmgr_closed output { type filter hook output priority -20; policy drop; }'
else
    for table in iptables ip6tables; do for hook in INPUT OUTPUT FORWARD; do on device $table -P $hook DROP; done; done
fi
start_connmgr
wait_for 5 "repaired, it starts" log_has 'locked in'
wait_for 5 "and opens what is whitelisted" reaches 198.18.100.10
