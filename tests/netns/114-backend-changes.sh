#!/bin/sh
# The lockdown moves from iptables to nf_tables and back, as in an upgrade: the old one is removed when the
# new one is in force, no packet of an unlisted host passes meanwhile, and open addresses stay open, also
# those of fwcfg.sh.
# takes 70 s, busy
. "$(dirname "$0")/lib.sh"
iptables_only "it is about both backends"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
friends='198.18.100.10 2001:db8:100::10'
backend_is() { grep -qx "backend: $1" "$LAB/said"; }
# in_force BACKEND: true if this backend alone is in force.
in_force() {
    on device nft list tables 2>/dev/null >"$LAB/tables"
    on device "$LAB/$VARIANT/iptables-save" -t filter >"$LAB/filter" 2>/dev/null
    case $1 in
        nft) grep -qx 'table inet connmgr' "$LAB/tables" && ! grep AFERO "$LAB/filter" && grep -q '^:INPUT ACCEPT' "$LAB/filter" ;;
        iptables) ! grep ' connmgr$' "$LAB/tables" && grep -q '^-A INPUT -j AFERO_ALLOW_SERVICE_INPUT' "$LAB/filter" ;;
    esac
}
# moves FROM TO: with packets of unlisted hosts and connections to whitelisted ones all the time.
moves() {
    for who in device host; do
        nsenter --net="/run/netns/$who" "$LABTOOL" talk tcp 198.18.100.10 80 50 >"$LAB/talk.$who" 2>&1 &
        echo $! >"$LAB/talk.$who.pid"
        wait_for 5 "$WITH$1 to $2: the $who talks to a friend" grep -q answer "$LAB/talk.$who"
    done
    : >"$LAB/heard"
    ENVIRONMENT=CONNMGR_FIREWALL=$2 lock "$1 to $2: locked"
    ENVIRONMENT=
    check "$WITH$1 to $2: it is the backend" backend_is "$2"
    check "$WITH$1 to $2: it is in force, alone" in_force "$2"
    for who in device host; do
        wc -l <"$LAB/talk.$who" >"$LAB/mark"
        wait_for 5 "$WITH$1 to $2: the $who is answered still" answered "$who"
        check "$WITH$1 to $2: and was never cut off" not grep -E 'lost|failed' "$LAB/talk.$who"
        read -r talk <"$LAB/talk.$who.pid"
        kill "$talk"
    done
    nothing "$WITH$1 to $2: no packet of a stranger" cat "$LAB/heard"
}
answered() { tail -n +"$(($(cat "$LAB/mark") + 1))" "$LAB/talk.$1" | grep -q ' answer'; }

# shellcheck disable=SC2086  # lists
there_and_back() {
    unlock
    ENVIRONMENT=CONNMGR_FIREWALL=iptables lock "locked with iptables"
    ENVIRONMENT=
    nsenter --net=/run/netns/device socat -u UDP6-RECV:7003,ipv6only=0 "OPEN:$LAB/heard,creat,append" &
    ear=$!
    nsenter --net=/run/netns/cloud "$LABTOOL" flood 198.18.1.2 7003 200 120 >"$LAB/flood.in" 2>&1 &
    flood=$!
    on device ipset add afero4 198.18.100.10 timeout 3600
    on device ipset add afero6 2001:db8:100::10
    on device ipset add afero4 198.18.101.0/24
    script fwcfg.sh add 198.18.100.11 'by hand'
    script fwcfg.sh add_forwarding 198.18.100.53 'by hand, too'
    moves iptables nft
    check "${WITH}the time that is left is kept" time_is_kept
    check "${WITH}a prefix, too" sh -c 'nsenter --net=/run/netns/device nft list set inet connmgr afero4_prefixes | grep -qF 198.18.101.0/24'
    check "${WITH}the sets of ipset are gone" test -z "$(on device ipset list -n)"
    both $friends 198.18.100.11 | same "${WITH}nft: what was open is" reached device eth0 $friends 198.18.100.11 198.18.100.8
    lock "nft stays where the environment does not say"
    check "${WITH}nft stays" backend_is nft
    moves nft iptables
    both $friends 198.18.100.11 | same "${WITH}iptables: what was open is" reached device eth0 $friends 198.18.100.11 198.18.100.8
    lock "iptables stays where the environment does not say"
    check "${WITH}iptables stays" backend_is iptables
    kill "$ear" "$flood"

    unlock
    ENVIRONMENT=CONNMGR_FIREWALL=auto lock "auto"
    check "${WITH}auto: nft" backend_is nft
    unlock
    # An nft that does not work, as on a kernel without the family inet.
    mkdir -p "$LAB/no-inet"
    printf '#!/bin/sh\necho "Error: Could not process rule: Operation not supported" >&2\nexit 1\n' >"$LAB/no-inet/nft"
    chmod +x "$LAB/no-inet/nft"
    TOOLS=$LAB/no-inet:$LAB/$VARIANT:$PATH
    ENVIRONMENT=CONNMGR_FIREWALL=auto lock "auto, and nft does not work"
    check "${WITH}auto: iptables" backend_is iptables
    check "${WITH}and says why not nft" grep -qx 'backend-reason: nft: Error: Could not process rule: Operation not supported' "$LAB/said"
    TOOLS=
    unlock
    lock "not set, both installed"
    check "${WITH}not set: iptables" backend_is iptables
    unlock
}
time_is_kept() {
    on device nft list set inet connmgr afero4 | grep -qE '198\.18\.100\.10 timeout 1h expires 5[0-9]m|198\.18\.100\.10 timeout 59m[0-9a-z]* expires 5[0-9]m'
}
variants there_and_back
