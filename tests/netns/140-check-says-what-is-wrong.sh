#!/bin/sh
# `connmgr check` reports file and line of every error in both configuration files, and exits with 0 or 78. It
# needs neither a daemon nor a capability.
. "$(dirname "$0")/lib.sh"

mkdir -p "$LAB/etc"
run() {
    status=0
    setpriv --bounding-set=-all --inh-caps=-all "$(connmgr_path)" check --config-dir "$LAB/etc" "$@" >"$LAB/said" 2>&1 || status=$?
}
says() { grep -qF -- "$1" "$LAB/said"; }
lines() { [ "$(wc -l <"$LAB/said")" = "$1" ]; }

printf "# names\nETH_INTERFACE_0='eth0'\n" >"$LAB/etc/netif_names"
for file in whitelist.prod whitelist.dev; do
    cp "$REPO/whitelist/$file" "$LAB/etc/whitelist"
    run
    check "$file: nothing is wrong, exit status 0" test "$status" = 0
    check "$file: it says how many entries there are" says 'entries'
done

printf 'ok.example\r\n\t spaced.example \t\n\n# comment\nlast.example # behind it\n198.18.5.0/24\n*.wild.example\n2001:db8::1' \
    >"$LAB/etc/whitelist"
run
check "CRLF, tabs, comments, no final newline: exit status 0" test "$status" = 0
check "they are six entries" says 'has 6 entries'

{
    # shellcheck disable=SC2016  # that is the point
    printf 'good.example\n;reboot\nbad.example;touch %s/hacked\n$(touch %s/hacked)\n`id`\n' "$LAB" "$LAB"
    printf 'two words.example\nnul\0byte.example\n\303\251cole.example\n*.io\na.*.example\n0.0.0.0/0\n2001:db8::/8\n'
    head -c 1048576 /dev/zero | tr '\0' a
    printf '\nGOOD.example.\n192.0.2.300\n'
} >"$LAB/etc/whitelist"
run
check "mistakes: exit status 78" test "$status" = 78
for line in 2 3 4 5 6 7 8 9 10 11 12 13 15; do
    check "line $line is named" says "$LAB/etc/whitelist:$line: "
done
check "line 14 is there twice, which is only a warning" grep -q 'whitelist:14: .*(warning)' "$LAB/said"
check "links that do not exist: one line" grep -q 'netif_names: no interface eth0, wlan0, wwan0 (warning)' "$LAB/said"
check "nothing else is said" lines 15
check "nothing of it was executed" test ! -e "$LAB/hacked"

awk 'BEGIN { for (i = 0; i < 10000; i++) print "service-" i ".example" }' >"$LAB/etc/whitelist"
run
check "10,000 entries: exit status 0" test "$status" = 0
check "all of them are counted" says 'has 10000 entries'

printf "ETH_INTERFACE_0='eth/0'\nFOO='x'\n" >"$LAB/etc/netif_names"
run
check "a bad netif_names: exit status 78" test "$status" = 78
check "file and line" says "$LAB/etc/netif_names:1: "
check "an unknown key is a warning" grep -q 'netif_names:2: .*(warning)' "$LAB/said"

rm "$LAB/etc/netif_names" "$LAB/etc/whitelist"
run
check "no files: the missing whitelist is an error, exit status 78" test "$status" = 78
check "it says so" says "$LAB/etc/whitelist: "

printf "ETH_INTERFACE_0='eth0'\n" >"$LAB/etc/netif_names"
printf '%s\n' https://api.example.com/v1 api.example.com:8883 api.example.com/v1 .example.com >"$LAB/etc/whitelist"
run
check "a URL, a port, a path, a dot: exit status 78" test "$status" = 78
check "what to write instead of a URL" says 'whitelist:1: not an address or prefix: "https://api.example.com/v1"; write '"'api.example.com', not a URL"
check "instead of a port" says "write 'api.example.com', without a port"
check "instead of a path" says "write 'api.example.com', without a path"
check "instead of a dot" says "write '*.example.com'"
printf '%s\n' localhost 127.0.0.1 server >"$LAB/etc/whitelist"
run
check "the device itself, a single label: warnings, exit status 0" test "$status" = 0
check "they are not needed" test "$(grep -c 'remove the line.*(warning)' "$LAB/said")" = 2
check "a single label" says "write the full name"

echo api.example.com >"$LAB/etc/whitelist"
run
check "one entry is one" says 'the whitelist has 1 entry: 1 name, 0 addresses and prefixes'
printf 'iptables -A INPUT -p tcp --dport 22 -j ACCEPT\ntouch %s/hacked\n' "$LAB" >"$LAB/etc/firewall.user"
run
check "firewall.user: right syntax, exit status 0" test "$status" = 0
check "it says what it cannot check" says 'only the lockdown shows'
check "firewall.user was not run" test ! -e "$LAB/hacked"
cat >"$LAB/etc/firewall.user" <<'END'
nft add rule inet connmgr user_input iifname enp9s0 tcp dport 22 accept # and iifname of7
[ "$CONNMGR_BACKEND" = nft ] || iptables -A INPUT -i "eth0" -p tcp --dport 22 -j ACCEPT
[ "$CONNMGR_BACKEND" = nft ] || iptables -A INPUT -i lo -p tcp --dport 22 -j ACCEPT
END
run
check "firewall.user with an interface that is not there: a warning, exit status 0" test "$status" = 0
check "it names those, not one that is there" says "$LAB/etc/firewall.user: no interface enp9s0, eth0 (warning)"
for bad in 'if true; then' 'case x in' 'echo "open' 'done'; do
    echo "$bad" >"$LAB/etc/firewall.user"
    run
    check "firewall.user with '$bad': exit status 78" test "$status" = 78
    check "firewall.user with '$bad': file and what the shell says" says "$LAB/etc/firewall.user: "
done
run -d
check "without a firewall it is not read" test "$status" = 0
rm "$LAB/etc/firewall.user"

run --idle 30 --probe tls://cloud.example --dns hold -v
check "the daemon's options, right: exit status 0" test "$status" = 0
for bad in "--idle 1" "--probe ftp://x" "--dns maybe" "--nonsense" "--idle 20 --idle 30" "--firewall pf"; do
    # shellcheck disable=SC2086  # words
    run $bad
    check "the daemon's option $bad: exit status 64" test "$status" = 64
    check "the daemon's option $bad: the files are checked too" says "$LAB/etc: no errors"
done
echo two words >"$LAB/etc/whitelist"
run --idle 1
check "a bad option and a bad file: exit status 64" test "$status" = 64
check "both are named" grep -q -- '^connmgr: .*--idle' "$LAB/said"
check "also the file" says "$LAB/etc/whitelist:1: "
# What OpenWrt's init script asks: procd must not restart a daemon that would end at once.
run --start --script-dir "$REPO/scripts"
check "--start: a bad whitelist ends no start" test "$status" = 0
run --start --script-dir "$REPO/scripts" --idle 1
check "--start: a bad option does: 64" test "$status" = 64
run --start --script-dir "$LAB/none"
check "--start: no scripts to lock with: 78" test "$status" = 78
run --start -d --script-dir "$LAB/none"
check "--start: without a firewall none are needed" test "$status" = 0
echo "ETH_INTERFACE_0='eth/0'" >"$LAB/etc/netif_names"
run --start -d
check "--start: a bad netif_names: 78" test "$status" = 78
check "--start: file and line" says "$LAB/etc/netif_names:1: "
printf "ETH_INTERFACE_0='eth0'\n" >"$LAB/etc/netif_names"
echo api.example.com >"$LAB/etc/whitelist"
run --script-dir "$LAB/none"
check "no scripts to lock with: exit status 78" test "$status" = 78

run --audit
check "--audit: exit status 0" test "$status" = 0
check "--audit: a warning" says '--audit: the device would not be locked, nothing is blocked: never ship it (warning)'
run --on-firewall-failure manage-links --control-group no-such-group
check "a device that may stay open: a warning" says 'a device that cannot be locked stays open (warning)'
check "a group that does not exist: a warning" says '--control-group: /etc/group has no such group (warning)'
mkdir "$LAB/few"
run_few() { # TOOLS OPTION...
    rm -f "$LAB/few/nft" "$LAB/few/iptables"
    for tool in $1; do printf '#!/bin/sh\n' >"$LAB/few/$tool"; chmod +x "$LAB/few/$tool"; done
    shift
    status=0
    setpriv --bounding-set=-all --inh-caps=-all env PATH="$LAB/few" "$(connmgr_path)" check --config-dir "$LAB/etc" "$@" >"$LAB/said" 2>&1 || status=$?
}
run_few ''
check "nothing to lock with: a warning" says 'nft and iptables: not installed: the device could not be locked (warning)'
run_few iptables --firewall nft
check "not what --firewall wants: a warning" says 'nft: not installed'
run_few nft
check "one of the two will do" not says 'not installed'
run_few '' -d
check "without a firewall none is needed" not says 'not installed'
run --control-group root
check "of a group that exists: none" not says '--control-group'
check "of a device that is locked or not started: none" not says 'locked'

# Without options it checks those of /etc/default/connmgr, which connmgr.service gives to the daemon.
mkdir "$LAB/default"
mount --bind "$LAB/default" /etc/default
defaults() { # STATUS REGEX
    status=0
    "$(connmgr_path)" check >"$LAB/said" 2>&1 || status=$?
    [ "$status" = "$1" ] && grep -qE -- "$2" "$LAB/said"
}
echo "CONNMGR_OPTIONS='-d --config-dir $LAB/etc'" >"$LAB/default/connmgr"
check "/etc/default/connmgr: its options are used, and said" defaults 0 "^/etc/default/connmgr: checking with -d --config-dir $LAB/etc$"
echo "CONNMGR_OPTIONS='-d --probe http://cloud.example/'" >"$LAB/default/connmgr"
check "a bad one: 64, and what is wrong" defaults 64 '^connmgr: --probe: write the correct answer at the end'
printf "# CONNMGR_OPTIONS='-d'\nCONNMGR_OPTIONS=\"-d\n  --idle 1\"\n" >"$LAB/default/connmgr"
check "a bad one in the second line" defaults 64 '^connmgr: .*--idle'
echo "CONNMGR_OPTIONS=-d --idle 5" >"$LAB/default/connmgr"
check "sh would start the daemon without -d: 78" defaults 78 '^/etc/default/connmgr, line 1: systemd and sh read it differently'
echo "CONNMGR_OPTIONS=''" >"$LAB/default/connmgr"
check "none" not defaults 64 .
umount /etc/default

# On OpenWrt, those of /etc/config/connmgr, as the init script reads them. The library is a stand-in: see its head.
cp -a /etc "$LAB/etc.copy"
mount --bind "$LAB/etc.copy" /etc
mkdir -p /etc/config /etc/init.d
cp "$REPO/tests/openwrt/rc.common" /etc/rc.common
install -m 755 "$REPO/scripts/openwrt/connmgr.init" /etc/init.d/connmgr
uci() { printf '%s\n' "config connmgr 'main'" "option config_dir '$LAB/etc'" "option disable_firewall '1'" "$@" >/etc/config/connmgr; }
uci
check "OpenWrt: its options are used, and said" defaults 0 "^/etc/config/connmgr: checking with -d --config-dir $LAB/etc$"
uci "option idle '300'" "list probe 'tls://a.example'" "list probe 'tcp://b.example:9'"
check "OpenWrt: values and lists" defaults 0 'with -d .* --probe tls://a.example --probe tcp://b.example:9 --idle 300$'
uci "option idle '1'" "option dns 'maybe'"
check "OpenWrt: values that the init script refuses: 78" defaults 78 "^connmgr.main.idle: '1' is neither a number"
check "OpenWrt: each of them" says "connmgr.main.dns: 'maybe' is none of: hold sniff auto"
check "OpenWrt: and the rest is checked" says "$LAB/etc: no errors"
uci "list probe 'http://a.example/'"
check "OpenWrt: what only the daemon can know: 64" defaults 64 '^connmgr: --probe: write the correct answer at the end'
printf '#!/bin/sh /etc/rc.common\n' >/etc/init.d/connmgr
check "OpenWrt: an init script that does not know the question: 78" defaults 78 'does not say which options it gives'
rm /etc/init.d/connmgr
check "OpenWrt: no init script: 78" defaults 78 'does not say which options it gives'
umount /etc
