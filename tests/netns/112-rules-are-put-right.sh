#!/bin/sh
# Rules instead of sets. fwcfg.sh fails; the daemon is killed before it could save what it had opened; entries
# are removed while no daemon runs; another program flushes while rules are being changed. In the end the
# rules are right, with both variants.
# takes 85 s, busy
. "$(dirname "$0")/lib.sh"
iptables_only "rules instead of sets are for iptables; 171 changes the tables while the script runs"
. "$NETNS_DIR/firewall.sh"
. "$NETNS_DIR/names.sh"

lab_up
names_up
system_path=$PATH
# A fwcfg.sh that fails, or is slow after its work, if a file says so.
cp -r "$REPO/scripts" "$LAB/scripts"
mv "$LAB/scripts/fwcfg.sh" "$LAB/scripts/fwcfg"
cat >"$LAB/scripts/fwcfg.sh" <<END
#!/bin/sh
echo "\$*" >>"$LAB/calls"
if [ -e "$LAB/broken.\$1" ]; then echo "out of order" >&2; exit 1; fi
"$LAB/scripts/fwcfg" "\$@" || exit
: >"$LAB/did.\$1"
while [ -e "$LAB/slow.\$1" ]; do sleep 0.1; done
END
chmod +x "$LAB/scripts/fwcfg.sh"
SCRIPTS=$LAB/scripts
broken() { for verb in add del sync; do : >"$LAB/broken.$verb"; done; }
whole() { rm -f "$LAB"/broken.*; }

list() { printf '%s\n' '*.fresh.example' "$@" >"$LAB/etc/whitelist"; }
rules_for() { on device iptables -S | grep -c -- " $1 .*--comment \"*${2:-connmgr}" || :; }
# rules_are ADDRESS COUNT [COMMENT]: an address has six rules: INPUT, OUTPUT, and four in FORWARD.
rules_are() { rules_for "$1" "${3-}"; [ "$(rules_for "$1" "${3-}")" = "$2" ]; }
tried() { grep -c "^$1" "$LAB/calls"; [ "$(grep -c "^$1" "$LAB/calls")" -ge "$2" ]; }
locked() {
    for table in iptables ip6tables; do
        [ "$(on device $table -S | grep -c -- '^-P [A-Z]* DROP')" = 3 ] || return
        on device $table -S INPUT 1 | grep -q -- '-j AFERO_ALLOW_SERVICE_INPUT' || return
        on device $table -S OUTPUT 1 | grep -q -- '-j AFERO_ALLOW_SERVICE_OUTPUT' || return
    done
}
start() {
    start_connmgr --resolver 198.18.100.55
    wait_for 10 "$1: addresses by rules" log_has 'addresses by rules'
}

variant() {
    PATH=$system_path
    use_variant "$1"
    no_sets
    FIREWALL=
    list 198.18.100.10 198.18.100.8/30 198.18.100.8/29 2001:db8:100::10
    start "$1"
    wait_for 10 "$1: a literal address is open" reaches 198.18.100.10
    wait_for 10 "$1: IPv6, too" reaches '[2001:db8:100::10]'
    wait_for 10 "$1: two prefixes with the same first address" rules_are 198.18.100.8/29 6
    check "$1: are two" rules_are 198.18.100.8/30 6
    on device "$LAB/scripts/fwcfg" add 198.18.100.53 mine
    known=$(resolve "n$2.fresh.example")
    wait_for 10 "$1: a name is open" reaches "$known"
    nsenter --net=/run/netns/device "$LABTOOL" talk tcp "$known" 80 50 >"$LAB/talk" 2>&1 &
    talk=$!
    wait_for 10 "$1: a connection to it is open" grep -q answer "$LAB/talk"
    wait_for 10 "$1: and it is written down" grep -q "^$known " "$LAB/run/holes"

    broken
    list 198.18.100.10 198.18.100.8/30 198.18.100.11
    check "$1: fwcfg.sh fails, and some entries go and one comes" ask reload
    wait_for 10 "$1: which is said" log_has 'fwcfg.sh .* exit status 1, saying .out of order., retrying'
    : >"$LAB/calls"
    wait_for 20 "$1: and is tried again" tried 'del 198.18.100.8/29 ' 2
    check "$1: one that goes is open still" rules_are 198.18.100.8/29 6
    whole
    wait_for 40 "$1: fwcfg.sh works: it is shut" rules_are 198.18.100.8/29 0
    wait_for 10 "$1: what comes is open" rules_are 198.18.100.11/32 6
    check "$1: the prefix of the same first address is open" rules_are 198.18.100.8/30 6
    wait_for 10 "$1: IPv6, too: shut" not reaches '[2001:db8:100::10]'
    check "$1: the log warns of it once" test "$(grep -c '^<4>.*out of order' "$LAB/connmgr.log")" = 1

    mkdir "$LAB/run/holes.new" # makes writing fail
    lost=$(resolve "n$(($2 + 1)).fresh.example")
    wait_for 10 "$1: another name is open" reaches "$lost"
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
    rmdir "$LAB/run/holes.new"
    list 198.18.100.10
    check "$1: killed: what it had opened is open" reaches "$lost"
    start "$1, started again"
    wait_for 10 "$1: what nobody has written down is shut" not reaches "$lost"
    wait_for 10 "$1: an entry that went meanwhile is shut" rules_are 198.18.100.8/30 0
    check "$1: what was written down is open" reaches "$known"
    check "$1: its connection has never ended" not grep -qE 'lost|failed' "$LAB/talk"
    check "$1: what is listed is open" rules_are 198.18.100.10/32 6
    check "$1: what an administrator has opened by hand is, too" rules_are 198.18.100.53/32 2 mine
    kill "$talk"

    check "$1: the rules come to rest" at_rest
    check "$1: its own changes are nobody else's" not log_has 'another program'
    rm -f "$LAB/did.add_forwarding"
    : >"$LAB/slow.add_forwarding"
    new=$(resolve "n$(($2 + 2)).fresh.example")
    wait_for 10 "$1: rules are being changed" test -e "$LAB/did.add_forwarding"
    on device iptables -F
    on device ip6tables -P OUTPUT ACCEPT
    on device iptables -P OUTPUT ACCEPT
    if [ "$1" = nft ]; then wait_for 8 "$1: a flush meanwhile: restored at once" locked; fi
    rm "$LAB/slow.add_forwarding"
    wait_for 20 "$1: a flush meanwhile: restored" locked
    for address in "$new" "$known" 198.18.100.10; do wait_for 10 "$1: $address is open" reaches "$address"; done
    stop_connmgr
    unlock
}
# at_rest: true once no rules have been written for 6 s, so that no further run is due. Do not pass it to wait_for,
# since poll cannot be nested.
at_rest() {
    for _ in 1 2 3 4 5 6 7 8; do
        rm -f "$LAB/did.sync"
        poll 6 test -e "$LAB/did.sync" || return 0
    done
    return 1
}

variant nft 1
variant legacy 11
