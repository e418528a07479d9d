#!/bin/sh
# run.sh: the init scripts of OpenWrt and systemd, against stubs that record. Ends with `N passed, N failed`.
# Needs no root, touches nothing outside a directory of its own.
set -u
here=$(cd "$(dirname "$0")" && pwd)
scripts=$(cd "$here/../../scripts" && pwd)
passed=0 failed=0
check() {
    what=$1; shift
    if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok - $what"; else failed=$((failed + 1)); echo "not ok - $what"; fi
}

not() { ! "$@"; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export IPKG_INSTROOT="$root" RECORD="$root/record"
mkdir -p "$root/etc/config" "$root/etc/capabilities" "$root/usr/sbin" "$root/usr/lib/af-conn" "$root/sbin"
: >"$root/sbin/ujail"; chmod +x "$root/sbin/ujail"
cp "$scripts/openwrt/connmgr.capabilities" "$root/etc/capabilities/connmgr.json"

# Stubs for programs that the init script starts; they record their arguments.
stub() {
    cat >"$root/$1" <<STUB
#!/bin/sh
printf '[%s]' "$2" "\$@" >>"$RECORD"; echo >>"$RECORD"
$3
STUB
    chmod +x "$root/$1"
}
stub usr/sbin/connmgr connmgr 'echo reloaded'
cp "$scripts/get_netif_names" "$root/usr/lib/af-conn/"
stub usr/lib/af-conn/boot_lockdown.sh lockdown 'echo "sets: yes"'

# The stub for ubus answers from $root/ubus/OBJECT.json, or as if the object was missing.
mkdir -p "$root/tools" "$root/ubus"
ln -s "$here/jsonfilter" "$root/tools/jsonfilter"
cat >"$root/tools/ubus" <<STUB
#!/bin/sh
case \$1 in
    call) cat "$root/ubus/\$2.json" 2>/dev/null || { echo "Command failed: Not found" >&2; exit 4; } ;;
    *) printf '[%s]' ubus "\$@" >>"$RECORD"; echo >>"$RECORD" ;;
esac
STUB
chmod +x "$root/tools/ubus"
PATH=$root/tools:$PATH
# supervised PID [WORD...]: makes procd report a running instance with that command line; without arguments,
# none.
supervised() {
    [ $# != 0 ] || { echo '{}' >"$root/ubus/service.json"; return; }
    words="\"$root/usr/sbin/connmgr\"" pid=$1
    shift
    for word; do words="$words,\"$word\""; done
    echo "{\"connmgr\":{\"instances\":{\"connmgr\":{\"running\":true,\"pid\":$pid,\"command\":[$words]}}}}" >"$root/ubus/service.json"
}

uci() { printf '%s\n' "config connmgr 'main'" "$@" >"$root/etc/config/connmgr"; }
# run SHELL ACTION: runs the init script; its errors are in $root/errors.
run() {
    : >"$RECORD"
    # shellcheck disable=SC2086 # `busybox ash`
    $1 "$here/rc.common" "$scripts/openwrt/connmgr.init" "$2" 2>"$root/errors"
}
# Prints the daemon's command line as sent to procd.
command_line() { sed -n 's/^\[procd_\(set\|append\)_param\]\[command\]//p' "$RECORD" | tr -d '\n' | sed 's/^\[[^]]*\]//'; }
has() { grep -qxF -- "$1" "$RECORD"; }
lacks() { ! grep -qF -- "$1" "$RECORD"; }
gets() { [ "$(command_line)" = "$1" ]; }
names() { grep -qF -- "connmgr.main.$1: '" "$root/errors" && grep -qF "[daemon.err][connmgr.main.$1: '" "$RECORD"; }
before() { [ "$(grep -nF -- "$1" "$RECORD" | sed 's/:.*//;q')" -lt "$(grep -nF -- "$2" "$RECORD" | sed 's/:.*//;q')" ]; }

# The init script is read into the shell that runs OpenWrt's library: see shell-functions.txt.
# functions_in FILE: the names of the functions that a script defines.
functions_in() { sed -n 's/^ *\([A-Za-z_][A-Za-z0-9_]*\) *().*/\1/p' "$1" | sort -u; }
# library_functions: prints the names that our script must not define. The first section lists those that
# rc.common lets a script define.
library_functions() { sed '/^#/d; /^\[rc.common\]/,/^\[functions.sh\]/d; /^\[/d' "$here/shell-functions.txt" | tr -s ' ' '\n' | sort -u; }
check "OpenWrt: the list of library functions is there" test "$(library_functions | grep -cx 'append\|list\|config_load\|procd_set_param')" = 4
check "OpenWrt: the init script replaces no function of OpenWrt's library" test "$(
    functions_in "$scripts/openwrt/connmgr.init" | comm -12 - "$(library_functions >"$root/library" && echo "$root/library")")" = ''
check "OpenWrt: its other functions have a prefix" test "$(functions_in "$scripts/openwrt/connmgr.init" | grep -v '^connmgr_' |
    grep -vx 'start_service\|stop_service\|reload_service\|service_triggers\|service_started\|boot' | paste -sd' ')" = ''
check "OpenWrt: so have its variables" test "$(
    sed '/^ *#/d' "$scripts/openwrt/connmgr.init" | grep -oE '(^|[ ;({])[A-Za-z_][A-Za-z0-9_]*=' |
    tr -d ' ;({=' | sort -u | grep -vx 'connmgr_.*\|CONNMGR_.*\|START\|STOP\|USE_PROCD\|EXTRA_COMMANDS\|EXTRA_HELP\|nofile\|core' | paste -sd' ')" = ''

for shell in 'busybox ash' dash; do
    command -v "${shell%% *}" >/dev/null || continue

    cp "$scripts/openwrt/connmgr.config" "$root/etc/config/connmgr"
    run "$shell" start
    check "$shell: as shipped, it starts with the daemon's defaults" gets ''
    check "$shell: as shipped, nothing is complained of" test ! -s "$root/errors"
    check "$shell: the lockdown is done before procd gets the service" before '[lockdown]' '[procd_close_instance]'
    check "$shell: it is started again for ever" has '[procd_set_param][respawn][3600][2][0]'
    check "$shell: what it says goes to the log" has '[procd_set_param][stderr][1]'
    check "$shell: also what it says on stdout" has '[procd_set_param][stdout][1]'
    check "$shell: it has limits" has '[procd_set_param][limits][core=0][nofile=256 256]'
    check "$shell: a script is seen to its end" has '[procd_set_param][term_timeout][35]'
    check "$shell: so does what the lockdown says" has '[logger][-t][connmgr][-p][daemon.notice][sets: yes]'
    check "$shell: its capabilities are bounded" has "[procd_set_param][capabilities][$root/etc/capabilities/connmgr.json]"
    check "$shell: and it gains none" has '[procd_set_param][no_new_privs][1]'
    check "$shell: another configuration, of the firewall too, is a reload" has '[procd_add_reload_trigger][connmgr][firewall]'
    check "$shell: no interface is: the kernel tells the daemon" lacks '[interface'
    check "$shell: options are described to procd before the message is sent" before '[uci_validate_section][connmgr][connmgr]' '[sent]'
    check "$shell: every example in the configuration has a type" test "$(
        sed -n "s/^#*\t\(option\|list\) \([a-z_]*\) .*/\2/p" "$scripts/openwrt/connmgr.config" | sort -u | while read -r option; do
            grep -qF "[$option:" "$RECORD" || echo "$option"
        done)" = ''
    check "$shell: every example in the configuration is an option that is read" test "$(
        sed -n "s/^#\t\(option\|list\) \([a-z_]*\) .*/\2/p" "$scripts/openwrt/connmgr.config" | sort -u | while read -r option; do
            grep -qE "^ *connmgr_(flag|number|choice|path|list|links|get) $option( |\$)" "$scripts/openwrt/connmgr.init" || echo "$option"
        done)" = ''

    # Every example in the configuration file must be an accepted value.
    sed 's/^#\t/\t/' "$scripts/openwrt/connmgr.config" >"$root/etc/config/connmgr"
    run "$shell" start
    check "$shell: the examples arrive in order" gets '[--firewall][auto][--on-firewall-failure][exit][--config-dir][/etc/af-conn][--script-dir][/usr/lib/af-conn][--run-dir][/var/run/connmgr][--state-dir][/etc/af-conn][--echo][echo.afero.io:80][--probe][http://www.example.com/check.txt#=all%20is%20well][--ping][8.8.8.8][--resolver][198.18.0.53][--dns-servers][auto][--resolv-conf][off][--idle][16][--wan-probe][suspect][--over-budget][last][--switch][auto][--dns][auto][--queue-num][5353][--mark-bit][7][--attrd-socket][/var/run/IPC.ATTRD][--log][auto][--hook-dir][/etc/connmgr.d][--control-group][network]'
    check "$shell: the lockdown gets the same" grep -qF '[lockdown][--firewall][auto][--on-firewall-failure][exit][--config-dir][/etc/af-conn]' "$RECORD"

    uci "option disable_firewall '1'" "option use_ping '0'" "option keep_flows 'yes'" "option allow_private_answers 'on'" \
        "option attrd '0'" "option verbose '1'" "list echo '198.18.0.1'" "list echo '[2001:db8::1]:8080'" \
        "list ping '198.18.0.2'" "list ping '2001:db8::2'" "list dns_servers '198.18.0.53'" "list dns_servers '2001:db8::53'" \
        "option wan_probe 'never'" "option dns 'sniff'" "option idle '3600'"
    run "$shell" start
    check "$shell: flags and lists arrive" gets '[-d][--echo][198.18.0.1][--echo][[2001:db8::1]:8080][--ping][198.18.0.2][--ping][2001:db8::2][--no-ping][--dns-servers][198.18.0.53,2001:db8::53][--idle][3600][--wan-probe][never][--keep-flows][--dns][sniff][--allow-private-answers][--no-attrd][-v]'
    uci "list probe 'tls://[2001:db8::1]:8883'" "list probe 'http://198.18.0.1/a?b=c&d#=<HTML>'"
    run "$shell" start
    check "$shell: URLs arrive" gets '[--probe][tls://[2001:db8::1]:8883][--probe][http://198.18.0.1/a?b=c&d#=<HTML>]'
    uci "option echo '198.18.0.1 198.18.0.2'"
    run "$shell" start
    check "$shell: an option where a list is meant is taken as one" gets '[--echo][198.18.0.1][--echo][198.18.0.2]'

    uci "option idle '5'" "option dns 'sniff'" "list echo '198.18.0.1'"
    run "$shell" connmgr_options >"$root/answer"
    check "$shell: its options for connmgr check" grep -qx 'options: --echo 198.18.0.1 --idle 5 --dns sniff' "$root/answer"
    check "$shell: it does nothing else" test ! -s "$RECORD"
    uci "option idle '1'" "option audit '1'"
    run "$shell" connmgr_options >"$root/answer"
    check "$shell: first what is wrong with them" sh -c "sed 1q '$root/answer' | grep -q '^connmgr.main.idle: '"
    check "$shell: then the others" sh -c "sed 1d '$root/answer' | grep -qx 'options: --audit'"
    check "$shell: and logs nothing" test ! -s "$RECORD" -a ! -s "$root/errors"

    for bad in "idle '1'" "idle '3601'" "idle 'ten'" "idle '-5'" "idle '16;reboot'" "queue_num '65536'" "mark_bit '31'" "wan_probe 'sometimes'" \
        "dns 'drop'" "log 'file'" "keep_flows 'maybe'" "disable_firewall 'tru'" "echo '-d'" "echo 'b\$(id)'" "echo '*'" \
        "echo '[2001:db8::1'" "echo '[]:80'" "echo '[2001:db8::1]:80;id'" "echo '[host]:80'" \
        "probe 'echo.example'" "probe 'ftp://a'" "probe 'tls://'" "probe 'tls://a\$(id)'" \
        "ping 'host.example'" "ping '1.2.3'" "ping '1.2.3.4.5'" "resolver '198.18.0.1/24'" "dns_servers 'some'" "config_dir 'etc'" \
        "run_dir '/tmp/../etc'" "hook_dir 'hooks'" "hook_dir '/etc/a b'" "control_group 'a b'" "control_group '-d'" \
        "control_group '\$(id)'" "control_group '$(printf %033d 0)'" "script_dir '/tmp/\$(id)'" "attrd_socket '/$(printf %0108d 0)'" "verbose '2'" "attrd ''\\'''"; do
        uci "option $bad" "option queue_num '7'"
        option=${bad%% *}
        [ "$option" = queue_num ] && uci "option $bad" && expected='' || expected='[--queue-num][7]'
        run "$shell" start
        check "$shell: $bad: refused by name" names "$option"
        check "$shell: $bad: the rest is in force, locked" gets "$expected"
        check "$shell: $bad: it is locked all the same" grep -q '^\[lockdown\]' "$RECORD"
        run "$shell" reload
        check "$shell: $bad: a reload changes nothing" lacks '[procd_'
    done

    # A file that uci cannot read as a whole, or without our section. The options that are missing are not the defaults.
    for broken in "config connmgr 'main'#	option idle '20" "config connmgr 'mine'#	option idle '20'" "config connmgr#	option idle '20'" '' missing \
        "config connmgr 'main'#	option audit '1'#	option idle '20" "config connmgr 'main'#	option audit '1'#	idle '20'" \
        "config connmgr 'main'#	option idle#	option audit '1'" "config connmgr 'main'#	option i-dle '20'#	option audit '1'"; do
        printf '%s\n' "$broken" | tr '#' '\n' >"$root/etc/config/connmgr"
        case $broken in *audit*) expected='[--audit]' ;; *) expected='' ;; esac
        case $broken in *mine* | 'config connmgr#'* | '') why='has no section' ;; *) why='cannot be read: ' ;; esac
        [ "$broken" != missing ] || rm "$root/etc/config/connmgr"
        run "$shell" connmgr_options >"$root/answer"
        check "$shell: '$broken': connmgr check is told" grep -q "^connmgr: /etc/config/connmgr $why" "$root/answer"
        supervised 999999 --idle 20
        run "$shell" reload
        check "$shell: '$broken': a reload changes nothing" lacks '[procd_'
        check "$shell: '$broken': a reload says so" grep -q "daemon.err.*/etc/config/connmgr $why" "$RECORD"
        supervised
        run "$shell" start
        check "$shell: '$broken': it is started with what can be read" gets "$expected"
        check "$shell: '$broken': and locked" grep -q '^\[lockdown\]' "$RECORD"
        check "$shell: '$broken': the terminal says so" grep -q "/etc/config/connmgr $why" "$root/errors"
    done
    printf "config connmgr 'main'\n\toption idle '20\n" >"$root/etc/config/connmgr"
    run "$shell" start
    check "$shell: a quote is not closed: the line is named" grep -q 'cannot be read: Parse error .* at line 2' "$root/errors"

    # A reload: procd decides whether the daemon is restarted; no firewall script runs, unless there is no daemon.
    uci "option idle '20'"
    supervised 999999 --idle 20
    run "$shell" reload
    check "$shell: reload, nothing new: procd gets the same command line" gets '[--idle][20]'
    check "$shell: reload, nothing new: the daemon reads its files" has '[connmgr][reload][--run-dir][/var/run/connmgr]'
    check "$shell: reload, nothing new: its answer is in the log" grep -qF '[reloaded]' "$RECORD"
    check "$shell: reload, nothing new: no firewall script" lacks '[lockdown]'
    supervised 999999 --idle 16
    run "$shell" reload
    check "$shell: reload, another option: procd gets it" gets '[--idle][20]'
    check "$shell: reload, another option: no firewall script" lacks '[lockdown]'
    check "$shell: reload, another option: the daemon that stops is not asked" lacks '[connmgr][reload]'
    run "$shell" start
    check "$shell: start, while it runs: no firewall script" lacks '[lockdown]'
    supervised
    run "$shell" reload
    check "$shell: reload, without a daemon: it is locked" grep -q '^\[lockdown\]' "$RECORD"
    check "$shell: reload, without a daemon: and started" gets '[--idle][20]'
    check "$shell: reload, without a daemon: none is asked" lacks '[connmgr][reload]'
    rm "$root/ubus/service.json"
    run "$shell" start
    check "$shell: start, procd does not answer: it is locked" grep -q '^\[lockdown\]' "$RECORD"

    # Options (64) and a configuration (78) with which the daemon would end at once.
    for status in 64 78; do
        stub usr/sbin/connmgr connmgr "case \$1 in check) echo 'connmgr: --idle: why'; exit $status ;; esac; echo reloaded"
        uci "option idle '20'"
        supervised
        run "$shell" start
        check "$shell: $status: the daemon's own options are tried" has '[connmgr][check][--start][--idle][20]'
        check "$shell: $status: no instance, so nothing is restarted" lacks '[procd_open_instance]'
        check "$shell: $status: the device is locked before" before '[lockdown]' '[connmgr][check]'
        check "$shell: $status: a change of the configuration tries again" before '[procd_add_reload_trigger][connmgr][firewall]' '[sent]'
        check "$shell: $status: the log says why" has '[logger][-t][connmgr][-p][daemon.err][connmgr: --idle: why]'
        check "$shell: $status: and how to try it by hand" has "[logger][-t][connmgr][-p][daemon.err][connmgr: the daemon would end with $status, \
not starting it. To try it by hand: connmgr check --start --idle 20]"
        check "$shell: $status: so does the terminal" grep -q 'connmgr check --start --idle 20$' "$root/errors"
        supervised 999999 --idle 16
        run "$shell" reload
        check "$shell: $status: a reload keeps the running daemon" lacks '[procd_'
        check "$shell: $status: and says so" grep -q 'daemon.err.*keeping the running one' "$RECORD"
        supervised
        run "$shell" reload
        check "$shell: $status: a reload without a daemon tries again" lacks '[procd_open_instance]'
        mkdir -p "$root/var/run/connmgr"
        : >"$root/var/run/connmgr/locked"
        run "$shell" start
        check "$shell: $status: locked: the log says how to unlock" grep -q 'daemon.warn.*not started.*fwcfg.sh unlock' "$RECORD"
        rm -r "${root:?}"/var
        uci "option enabled '0'"
        run "$shell" start
        check "$shell: $status: disabled: nothing is tried" lacks '[connmgr][check]'
    done
    # Only these two statuses keep the daemon from starting.
    for status in 0 71 134 137; do
        stub usr/sbin/connmgr connmgr "case \$1 in check) echo warning; exit $status ;; esac; echo reloaded"
        uci "option idle '20'"
        run "$shell" start
        check "$shell: check ends with $status: it is started" has '[procd_open_instance][connmgr]'
        check "$shell: check ends with $status: nothing is said" test ! -s "$root/errors"
    done
    stub usr/sbin/connmgr connmgr 'echo reloaded'

    # If ujail is killed, the daemon in it may survive with the lock.
    mkdir -p "$root/var/run/connmgr"
    cp "$(command -v sleep)" "$root/connmgr"
    lock_file=$root/var/run/connmgr/connmgr.pid
    # daemon PROGRAM: locks the file and writes its pid into it.
    daemon() {
        # shellcheck disable=SC2016
        sh -c 'exec 9>>"$1"; flock 9; echo $$ >"$1"; exec "$2" 60' sh "$lock_file" "$1" &
        daemon=$!
        until [ "$(cat "$lock_file" 2>/dev/null)" = "$daemon" ] && [ "$(readlink "/proc/$daemon/exe")" = "$1" ]; do sleep 0.05; done
    }
    alive() { [ "$(readlink "/proc/$daemon/exe")" = "$1" ]; }
    for action in stop start; do
        supervised
        daemon "$root/connmgr"
        run "$shell" "$action"
        check "$shell: $action ends a daemon that procd does not have" not alive "$root/connmgr"
        check "$shell: $action: and says so" grep -qF "[daemon.warn][connmgr: ending process $daemon," "$RECORD"
        kill "$daemon" 2>/dev/null
        supervised $$ # its parent, as ujail is
        daemon "$root/connmgr"
        run "$shell" "$action"
        check "$shell: $action leaves a daemon in its jail to procd" alive "$root/connmgr"
        supervised "$daemon"
        run "$shell" "$action"
        check "$shell: $action leaves a daemon without a jail to procd" alive "$root/connmgr"
        supervised
        echo "$daemon" >"$lock_file.other"
        mv "$lock_file.other" "$lock_file"
        run "$shell" "$action"
        check "$shell: $action does not believe a file that nobody has locked" alive "$root/connmgr"
        kill "$daemon"
        sleep=$(readlink -f "$(command -v sleep)")
        daemon "$sleep"
        run "$shell" "$action"
        check "$shell: $action does not end another program" alive "$sleep"
        kill "$daemon"
        wait
    done
    for pid in '' 0 1 -1 x 99999999 '1 2'; do
        echo "$pid" >"$lock_file"
        run "$shell" stop
        check "$shell: pid '$pid' is none" lacks '[daemon.warn]'
    done
    rm -r "${root:?}"/var

    uci "option enabled '0'"
    run "$shell" start
    check "$shell: disabled, nothing is started" lacks '[procd_set_param]'
    check "$shell: and nothing is locked" lacks '[lockdown]'
    check "$shell: disabled, not locked: nothing is said" lacks '[logger]'
    mkdir -p "$root/var/run/connmgr"
    : >"$root/var/run/connmgr/locked"
    run "$shell" start
    check "$shell: disabled, but locked: the log says how to unlock" grep -q 'daemon.warn.*/usr/lib/af-conn/fwcfg.sh unlock' "$RECORD"
    check "$shell: disabled, but locked: so does the terminal" grep -q 'fwcfg.sh unlock' "$root/errors"
    uci "option disable_firewall '1'"
    run "$shell" start
    check "$shell: no firewall, but locked: the log says how to unlock" grep -q 'daemon.warn.*fwcfg.sh unlock' "$RECORD"
    rm -r "${root:?}"/var

    # Links by netifd network. The daemon and the scripts read the file in the run directory.
    file=$root/var/run/connmgr/netif_names
    printf '%s\n' "config interface 'wan'" "	option device 'eth7'" "config interface 'modem'" "	option device '/dev/cdc-wdm0'" \
        "config device 'wlan5'" >"$root/etc/config/network"
    uci "option ethernet 'wan'" "option wifi 'wlan5'" "option lte 'modem'"
    run "$shell" start
    check "$shell: before netifd runs, a network's device is that of its configuration" \
        test "$(paste -sd' ' "$file")" = "ETH_INTERFACE_0='eth7' WIFISTA_INTERFACE_0='wlan5'"
    check "$shell: names are there before the lockdown; one that is not yet known is logged" \
        before "using netif_names for WAN_INTERFACE_0" '[lockdown]'
    check "$shell: the network coming up is a reload" has '[procd_add_interface_trigger][interface.*][wan][/etc/init.d/connmgr][reload]'
    check "$shell: also that of the modem" has '[procd_add_interface_trigger][interface.*][modem][/etc/init.d/connmgr][reload]'
    check "$shell: a device is no trigger" lacks '[interface.*][wlan5]'
    check "$shell: another network configuration is a reload" has '[procd_add_reload_trigger][network]'
    echo '{"up":true,"l3_device":"eth9.7","device":"eth9"}' >"$root/ubus/network.interface.wan.json"
    echo '{"up":true,"l3_device":"wwan3"}' >"$root/ubus/network.interface.modem.json"
    run "$shell" start
    check "$shell: netifd knows better" \
        test "$(paste -sd' ' "$file")" = "ETH_INTERFACE_0='eth9.7' WIFISTA_INTERFACE_0='wlan5' WAN_INTERFACE_0='wwan3'"
    names_are() { [ "$(CONNMGR_CONFIG_DIR=$scripts CONNMGR_RUN_DIR=$root/var/run/connmgr "$scripts/get_netif_names" | paste -sd' ')" = "$1" ]; }
    check "$shell: scripts read it after netif_names" names_are \
        "ETH_INTERFACE_0='eth9.7' WIFISTA_INTERFACE_0='wlan5' WAN_INTERFACE_0='wwan3' WIFIAP_INTERFACE_0='wlan0-1' BRIDGE_INTERFACE_0='br-apnet'"
    uci "list ethernet 'lan4'" "list ethernet 'wan'" "option wifi '-'" "list lte 'modem'" "list prefer 'wan'" "list prefer 'lan4'" \
        "option metered 'wan'" "list unmetered 'modem'"
    run "$shell" start
    check "$shell: a list of links, a role that is empty, and an order, by network and by device" names_are \
        "ETH_INTERFACE_0='lan4' ETH_INTERFACE_1='eth9.7' WIFISTA_INTERFACE_0='' WAN_INTERFACE_0='wwan3' WIFIAP_INTERFACE_0='wlan0-1' \
BRIDGE_INTERFACE_0='br-apnet' PREFER='eth9.7 lan4' METERED='eth9.7' UNMETERED='wwan3'"
    check "$shell: a network that is named twice is one trigger" \
        test "$(grep -c '^\[procd_add_interface_trigger\].*\[wan\]' "$RECORD")" = 1
    uci "list lte_budget '500M'" "list lte_budget '-'" "list lte_budget '2G'" "option wifi_budget '1T'" "option budget_day '31'"
    run "$shell" start
    check "$shell: budgets, in the order of the links" test "$(paste -sd' ' "$file")" = \
        "WIFISTA_BUDGET_0='1T' WAN_BUDGET_0='500M' WAN_BUDGET_2='2G' WAN_BUDGET_DAY='31'"
    uci "list lte_budget '500MB'" "option wifi_budget '0M'" "option ethernet_budget '5;id'" "option budget_day '32'" "option over_budget 'no'"
    run "$shell" start
    for option in lte_budget wifi_budget ethernet_budget budget_day over_budget; do check "$shell: $option: refused" names "$option"; done
    uci "list bridge 'br-a'" "list bridge 'br-b'" "list ethernet '-x'" "list prefer 'a b'"
    run "$shell" start
    for option in ethernet bridge prefer; do check "$shell: $option: a bad list is refused" names "$option"; done
    uci "option ethernet 'wlan5'" "option wifi 'wlan5'"
    run "$shell" start
    check "$shell: two links on one device: refused by name" grep -q "'wlan5' is given to two interfaces" "$root/errors"
    check "$shell: two links on one device: netif_names alone counts" test ! -e "$file"
    check "$shell: two links on one device: it is started all the same" has '[procd_close_instance]'
    uci "option wifi 'wlan5'"
    run "$shell" start
    uci "option ethernet 'wlan5'" "option wifi 'wlan5'"
    supervised 999999
    run "$shell" reload
    supervised
    check "$shell: two links on one device: a reload says so" grep -q "'wlan5' is given to two interfaces" "$root/errors"
    check "$shell: two links on one device: a reload leaves the names" test "$(cat "$file")" = "WIFISTA_INTERFACE_0='wlan5'"
    uci "option wifi 'wlan5'"
    run "$shell" start
    uci "option ethernet 'eth0; id'" "option lte '-x'" "option bridge '0123456789abcdef'"
    run "$shell" reload
    for option in ethernet lte bridge; do check "$shell: $option: a bad name is refused" names "$option"; done
    check "$shell: a bad name: a reload leaves the names" grep -q wlan5 "$file"
    uci "option idle '16'"
    run "$shell" start
    check "$shell: without such options the file goes" test ! -e "$file"
    rm -rf "${root:?}"/var "$root/etc/config/network" "$root"/ubus/network.*

    uci "option idle '16'"
    printf '%s\n' "config defaults" "	option flow_offloading '1'" >"$root/etc/config/firewall"
    run "$shell" start
    check "$shell: flow offload is warned of" grep -q 'daemon.warn.*flow_offloading is on' "$RECORD"
    uci "option disable_firewall '1'"
    run "$shell" start
    check "$shell: but not without our firewall" lacks daemon.warn
    rm "$root/etc/config/firewall"
done

# boot_lockdown.sh, with stubs of the firewall's programs.
mkdir -p "$root/bin" "$root/run"
for tables in iptables ip6tables; do stub "bin/$tables" "$tables" "exit \${TABLES_STATUS:-0}"; done
for tool in mkdir sh; do ln -sf "$(command -v "$tool")" "$root/bin/$tool"; done
# shellcheck disable=SC2016 # for the stub's shell
stub usr/lib/af-conn/init_firewall.sh init_firewall 'echo "[$CONNMGR_CONFIG_DIR][$CONNMGR_RUN_DIR]" >>"$RECORD"; exit ${INIT_STATUS:-0}'
lock() { : >"$RECORD"; PATH=$root/bin "$scripts/boot_lockdown.sh" --run-dir "$root/run" "$@" 2>"$root/errors"; }
ended() { expected=$1; shift; "$@"; [ $? = "$expected" ]; }
check "lockdown: init_firewall.sh does it" ended 0 lock --script-dir "$root/usr/lib/af-conn" --config-dir "$root/etc"
check "lockdown: it is told where things are" has "[$root/etc][$root/run]"
check "lockdown: no policy is touched" lacks '[-P]'
check "lockdown: OPTION=VALUE is understood" ended 0 lock "--script-dir=$root/usr/lib/af-conn" "--config-dir=/x y"
check "lockdown: and spaces" has "[/x y][$root/run]"
check "lockdown: -d leaves the device alone" ended 0 lock --script-dir /nonexistent -d
check "lockdown: -d runs nothing" test ! -s "$RECORD"
export INIT_STATUS=1
check "lockdown: a failing script shuts all" ended 1 lock --script-dir "$root/usr/lib/af-conn"
for hook in INPUT OUTPUT FORWARD; do check "lockdown: $hook is shut" has "[iptables][-w][5][-P][$hook][DROP]"; done
[ ! -e /proc/net/if_inet6 ] || check "lockdown: IPv6 too" has "[ip6tables][-w][5][-P][OUTPUT][DROP]"
unset INIT_STATUS
check "lockdown: so does a missing one" ended 1 lock --script-dir "$root/nowhere"
export TABLES_STATUS=1
check "lockdown: what stays open is said" ended 71 lock --script-dir "$root/nowhere"
check "lockdown: by name" grep -q 'iptables -P INPUT DROP failed' "$root/errors"
unset TABLES_STATUS
rm "$root/bin/iptables"
check "lockdown: a device without iptables is said to be open" ended 71 lock --script-dir "$root/nowhere"

# The drop-in: the files that a device needs, with the same bytes each time. Run ./build.sh before.
executable=$(find "$here/../../artifacts" -path '*/linux-*/connmgr' -type f -print -quit 2>/dev/null)
if [ -n "$executable" ]; then
    arch=${executable%/connmgr} arch=${arch##*linux-}
    dropin() { (cd "$here/../.." && ./dropin.sh "$arch" prod && cat "artifacts/connmgr-$arch-prod.tar.xz") >/dev/null; }
    check "drop-in: it is made" dropin
    sum() { sha256sum "$here/../../artifacts/connmgr-$arch-prod.tar.xz" | cut -d' ' -f1; }
    first=$(sum)
    find "$here/../../scripts" "$here/../../whitelist" -type f -exec touch {} +
    check "drop-in: made again, later" dropin
    check "drop-in: the same bytes" test "$(sum)" = "$first"
    list=$(tar -tf "$here/../../artifacts/connmgr-$arch-prod.tar.xz")
    for file in usr/sbin/connmgr usr/lib/af-conn/init_firewall.sh usr/lib/af-conn/firewall_functions usr/lib/af-conn/switch_route.sh \
        usr/lib/af-conn/boot_lockdown.sh usr/lib/af-conn/get_netif_names usr/lib/af-conn/fwcfg.sh usr/lib/af-conn/net_capabilities \
        usr/libexec/rpcd/connmgr usr/share/rpcd/acl.d/connmgr.json lib/upgrade/keep.d/connmgr etc/connmgr.d/tell-openwrt \
        etc/init.d/connmgr etc/config/connmgr etc/capabilities/connmgr.json etc/af-conn/whitelist \
        etc/af-conn/netif_names etc/connmgr.d/; do
        has_file() { printf '%s\n' "$list" | grep -qx "$file"; }
        check "drop-in: $file" has_file
    done
fi

# make install, as `install.sh` does it for an image.
if [ -n "$executable" ]; then
    image=$root/image
    install() { make -s -C "$here/../.." install DESTDIR="$image" "$@"; }
    mode_is() { [ "$(stat -c %a "$image$2")" = "$1" ]; }
    is_ours() { cmp -s "$here/../../$1" "$image$2"; }
    absent() { [ ! -e "$image$1" ]; }
    check "install: with nothing said, it is prod for systemd" install
    check "install: prod's whitelist" is_ours whitelist/whitelist.prod /etc/af-conn/whitelist
    check "install: the unit" is_ours scripts/systemd/connmgr.service /usr/lib/systemd/system/connmgr.service
    check "install: the unit that waits" is_ours scripts/systemd/connmgr-wait-online.service \
        /usr/lib/systemd/system/connmgr-wait-online.service
    check "install: nothing for OpenWrt" absent /etc/init.d/connmgr
    check "install: what is installed runs" "$image/usr/sbin/connmgr" --help
    check "install: and finds nothing wrong with its configuration" "$image/usr/sbin/connmgr" check --config-dir "$image/etc/af-conn"
    for file in /usr/sbin/connmgr /usr/lib/af-conn/init_firewall.sh /usr/lib/af-conn/fwcfg.sh /usr/lib/af-conn/switch_route.sh \
        /usr/lib/af-conn/boot_lockdown.sh /usr/lib/af-conn/get_netif_names /usr/lib/af-conn/net_capabilities; do
        check "install: $file is for all to run" mode_is 755 "$file"
    done
    for file in /usr/lib/af-conn/firewall_functions /usr/lib/af-conn/firewall_policy /usr/lib/af-conn/firewall_nft \
        /usr/lib/af-conn/firewall_iptables /etc/af-conn/whitelist /etc/af-conn/netif_names; do
        check "install: $file is for all to read" mode_is 644 "$file"
    done
    check "install: so is the directory of the hooks" mode_is 755 /etc/connmgr.d
    check "install: once more" install
    check "install: what nobody has changed gets no twin" absent /etc/af-conn/whitelist.new
    echo mine.example >"$image/etc/af-conn/whitelist"
    check "install: over what somebody has changed" install DEPLOYMENT=dev
    check "install: that is kept" grep -qx mine.example "$image/etc/af-conn/whitelist"
    check "install: ours is beside it" is_ours whitelist/whitelist.dev /etc/af-conn/whitelist.new
    rm -rf "$image"
    check "install: dev for OpenWrt" install DEPLOYMENT=dev INIT=openwrt
    check "install: dev's whitelist" is_ours whitelist/whitelist.dev /etc/af-conn/whitelist
    for file in /etc/init.d/connmgr /usr/libexec/rpcd/connmgr; do check "install: $file is for all to run" mode_is 755 "$file"; done
    for file in /etc/config/connmgr /etc/capabilities/connmgr.json; do check "install: $file is for all to read" mode_is 644 "$file"; done
    check "install: nothing for systemd" absent /usr/lib/systemd
    echo "config connmgr 'main'" >"$image/etc/config/connmgr"
    check "install: over a changed UCI configuration" install INIT=openwrt
    check "install: that is kept, too" test "$(cat "$image/etc/config/connmgr")" = "config connmgr 'main'"
    rm -rf "$image"
    for wrong in DEPLOYMENT=test INIT=sysv; do
        check "install: $wrong is refused" not install "$wrong"
        check "install: $wrong: nothing is there" absent /usr
    done
    check "install: without an init" install INIT=none
    check "install: there is none" test ! -e "$image/etc/init.d" -a ! -e "$image/usr/lib/systemd"
fi

start=$(sed -n 's/^START=//p' "$scripts/openwrt/connmgr.init")
while read -r release boot log firewall dnsmasq network; do
    case $release in '#'*) continue ;; esac
    check "OpenWrt $release: it starts after kernel modules ($boot) and the log ($log)" test "$start" -gt "$boot" -a "$start" -gt "$log"
    check "OpenWrt $release: before firewall ($firewall), dnsmasq ($dnsmasq), network ($network)" \
        test "$start" -lt "$firewall" -a "$start" -lt "$dnsmasq" -a "$start" -lt "$network"
done <"$here/start-order.txt"
check "OpenWrt: before a network that starts at 15, too" test "$start" -lt 15
check "OpenWrt: the package has the version of the sources" \
    test "$(sed -n 's/^PKG_VERSION:=//p' "$scripts/openwrt/Makefile")" = "$(cat "$here/../../VERSION")"
check "OpenWrt: it names its license" grep -qx 'PKG_LICENSE:=MIT' "$scripts/openwrt/Makefile"
check "OpenWrt: and its maintainer" grep -q '^PKG_MAINTAINER:=.' "$scripts/openwrt/Makefile"
# The postinst, as make writes it.
sed -n '/^define .*postinst/,/^endef/p' "$scripts/openwrt/Makefile" | sed '1d;$d;s/\$\$/$/g' >"$root/postinst"
check "OpenWrt: after installation rpcd reads the plugin" grep -q '/etc/init.d/rpcd reload' "$root/postinst"
check "OpenWrt: not while an image is built" env IPKG_INSTROOT=/image sh -eu "$root/postinst"
# The access list must name exactly the plugin's methods.
methods() { sh "$scripts/openwrt/connmgr.rpcd" list | /usr/bin/python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)))'; }
granted() {
    /usr/bin/python3 -c '
import json, sys
group = json.load(sys.stdin)["connmgr"]
print(*sorted(method for kind in sys.argv[1:] for method in group[kind]["ubus"]["connmgr"]))' "$@" <"$scripts/openwrt/connmgr.acl.json"
}
check "rpcd: each method is in the access list" test "$(granted read write)" = "$(methods)"
check "rpcd: who may only read, changes nothing" test "$(granted read)" = 'check_whitelist events get_whitelist status'

# The package keeps files that users may change: everything below /etc except the init script and its
# capabilities.
conffiles() { sed -n '/^define .*conffiles/,/^endef/ { /^\//p }' "$scripts/openwrt/Makefile" | sed 's,/$,,' | sort; }
check "OpenWrt: each configuration file is a conffile" test "$(
    "$here/../../install.sh" "$scripts/net_capabilities" "$root/package" prod openwrt
    cd "$root/package" && find etc -type f ! -path 'etc/init.d/*' ! -path 'etc/capabilities/*' ! -path 'etc/connmgr.d/*' | sed 's,^,/,' | sort >"$root/installed"
    conffiles | comm -23 "$root/installed" -)" = ''
check "OpenWrt: each conffile is one that is installed, or yours to make" test "$(
    conffiles | comm -13 "$root/installed" - | paste -sd' ')" = '/etc/af-conn/firewall.user /etc/af-conn/flush_dns.user /etc/connmgr.d /etc/hotplug.d/connmgr'
check "OpenWrt: sysupgrade keeps each conffile" test "$(conffiles | while read -r file; do
    grep -qxF -e "$file" -e "$file/" -e "${file%/*}/" "$scripts/openwrt/connmgr.keep" || echo "$file"
done)" = ''

# The hook that tells OpenWrt.
mkdir -p "$root/sbin"
cat >"$root/ubus/network.interface.json" <<'DUMP'
{"interface":[{"interface":"wan","up":true,"l3_device":"eth0"},{"interface":"modem","up":true,"l3_device":"wwan0"}]}
DUMP
sed "s,/sbin/hotplug-call,$root&,g" "$scripts/openwrt/tell-openwrt" >"$root/tell-openwrt"
cat >"$root/sbin/hotplug-call" <<STUB
#!/bin/sh
echo "hotplug \$1 \$ACTION \$INTERFACE \$DEVICE" >>"$RECORD"
STUB
chmod +x "$root/sbin/hotplug-call"
hook() { : >"$RECORD"; env IFNAME="$1" OLD="$2" REASON="$3" sh "$root/tell-openwrt"; }
check "hook: a switch" hook eth0 wwan0 'eth0 is confirmed ("better")'
check "hook: it is told by ubus" has '[ubus][send][connmgr.switch][{"device":"eth0","interface":"wan","old_device":"wwan0","old_interface":"modem","reason":"eth0 is confirmed (\"better\")"}]'
check "hook: hotplug scripts hear of the old link first" test "$(grep ^hotplug "$RECORD" | paste -sd,)" = \
    'hotplug connmgr disconnected modem wwan0,hotplug connmgr connected wan eth0'
hook eth5 '' start
check "hook: a device that netifd does not have" has 'hotplug connmgr connected  eth5'
check "hook: at first there is no old link" lacks disconnected
# After `ifdown wan`, with a bridge that is down as well; netifd 777f594 names no l3_device then.
cat >"$root/ubus/network.interface.json" <<'DUMP'
{"interface":[{"interface":"lan","up":false,"device":"br-lan"},{"interface":"wan","up":false,"device":"eth0"},{"interface":"wan_6","up":false,"device":"eth0"},
{"interface":"wwan","up":true,"device":"radio0","l3_device":"wlan0"}]}
DUMP
hook wlan0 eth0 'eth0 is administratively down'
check "hook: a network that is down has its name" test "$(grep ^hotplug "$RECORD" | paste -sd,)" = \
    'hotplug connmgr disconnected wan eth0,hotplug connmgr connected wwan wlan0'
hook br-lan radio0 'by hand'
check "hook: a device is looked for by both names" test "$(grep ^hotplug "$RECORD" | paste -sd,)" = \
    'hotplug connmgr disconnected wwan radio0,hotplug connmgr connected lan br-lan'
rm "$root/sbin/hotplug-call"

check "systemd: it starts before the network" grep -qE '^Before=.*\bnetwork-pre\.target\b' "$scripts/systemd/connmgr.service"
check "systemd: the lockdown comes first" grep -q '^ExecStartPre=-/usr/lib/af-conn/boot_lockdown.sh ' "$scripts/systemd/connmgr.service"

# The capabilities that init leaves to the daemon, in every set: the two that suffice for it and its scripts
# (220-privileges.sh).
two='CAP_NET_ADMIN CAP_NET_RAW'
check "procd: its capabilities are these two" test "$(/usr/bin/python3 -c '
import json, sys
sets = json.load(sys.stdin)
for name in "bounding", "effective", "ambient", "permitted", "inheritable":
    print(*sorted(sets.pop(name)))
print(*sets)' <"$scripts/openwrt/connmgr.capabilities" | sort -u | paste -sd,)" = ",$two"
check "systemd: its capabilities are these two" grep -qx "CapabilityBoundingSet=$two" "$scripts/systemd/connmgr.service"

# systemd checks its unit, if it is installed.
if command -v systemd-analyze >/dev/null; then
    sed "s,/usr/sbin/connmgr,/bin/true,; s,/usr/lib/af-conn/boot_lockdown.sh,/bin/true,; /^Documentation/d" \
        "$scripts/systemd/connmgr.service" >"$root/connmgr.service"
    # Before version 254 it does not know the settings of the growing pause, and ignores them.
    check "systemd: the unit has no mistake" test "$(systemd-analyze verify "$root/connmgr.service" 2>&1 |
        grep -vE "Unknown key (name )?'Restart(Steps|MaxDelaySec)'")" = ''
    level=$(systemd-analyze security --offline=true --no-pager "$root/connmgr.service" 2>/dev/null | sed -n 's/.*level for.*: \([0-9]*\)\.\([0-9]*\) .*/\1\2/p')
    # 1 of it is the missing ProtectClock, which would block adjtimex. CAP_SYS_TIME is missing all the same.
    check "systemd: exposure ${level:-unknown}/100, at most 32" test "${level:-100}" -le 32
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
