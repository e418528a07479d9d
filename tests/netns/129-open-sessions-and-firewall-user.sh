#!/bin/sh
# A session that firewall.user admits goes on when the device is locked, also if the device sends first, if conntrack
# does not know the session, and before firewall.user has run: an administrator who installs over SSH is not cut off. So
# do sessions of hosts behind the bridge. A session that no rule admits is still reset at once.
# takes 20 s
. "$(dirname "$0")/lib.sh"
. "$NETNS_DIR/firewall.sh"

lab_up
host_behind
on device nft flush ruleset # no NAT
ip -n r-eth route replace 198.18.50.0/24 via 198.18.1.2
ip -n cloud route replace 198.18.50.0/24 via 198.18.11.1
# The server speaks without being asked, as a shell's output does. It starts no processes. While the file "quiet" exists,
# the server of port 23 is silent, and the file words.HOST.PID says how many words it has sent.
mkfifo "$LAB/never"
cat >"$LAB/stream" <<END
n=0
while read -r -t 0.05 _ <>"$LAB/never" || :; do
    if [ -e "$LAB/quiet" ] && [ "\$1" = 23 ]; then
        echo "\$n" >"$LAB/words.\$2.\$\$"
    else
        echo word || exit
        n=\$((n + 1))
    fi
done
END
for port in 22 23; do
    on device socat "TCP6-LISTEN:$port,ipv6only=0,fork,reuseaddr" EXEC:"bash $LAB/stream $port device" 2>/dev/null &
    on host socat "TCP4-LISTEN:$port,fork,reuseaddr" EXEC:"bash $LAB/stream $port host" 2>/dev/null &
done

# session NAME ADDRESS: the client never sends.
session() {
    { exec sleep 60; } | on cloud socat - "$2" >"$LAB/session.$1" 2>/dev/null &
    sessions="$sessions $!"
    wait_for 5 "${WITH}before the lockdown: $1" test -s "$LAB/session.$1"
}
begin() {
    unlock
    on device nft flush ruleset
    [ "$1" = unknown ] || on device nft 'add table inet lab; add chain inet lab in { type filter hook input priority 0; };
        add rule inet lab in ct state established accept'
    sessions=
    session ssh4 TCP4:198.18.1.2:22
    session ssh6 'TCP6:[2001:db8:1::2]:22'
    session telnet4 TCP4:198.18.1.2:23
    session host-ssh4 TCP4:198.18.50.2:22
    session host-telnet4 TCP4:198.18.50.2:23
}
finish() {
    # shellcheck disable=SC2086  # numbers
    kill $sessions 2>/dev/null || :
    # End the server's side as well: its packets were dropped, so it would try again in the next scenario.
    pkill -f "^bash $LAB/stream" || :
    rm -f "$LAB"/session.* "$LAB/etc/firewall.user"
}
size() { stat -c %s "$LAB/session.$1"; }
goes_on() {
    : "${goes_from:=$(size "$1")}"
    [ "$(size "$1")" -gt "$((goes_from + 20))" ] && goes_from=
}
# ended HOST PORT: its kernel knows no such session any more.
ended() { [ -z "$(on "$1" ss -Htn state established "( sport = :$2 )")" ]; }

# firewall_user: as in the documentation, for the device and, of a host, forwarded. It takes its time.
# shellcheck disable=SC2016  # firewall.user's business
firewall_user() {
    echo 'sleep 0.5'
    case $VARIANT in
        bare)
            echo 'nft add rule inet connmgr user_input iifname eth0 tcp dport 22 accept'
            echo 'nft add rule inet connmgr user_output oifname eth0 tcp sport 22 accept'
            echo 'nft add rule inet connmgr user_forward tcp dport 22 accept'
            echo 'nft add rule inet connmgr user_forward tcp sport 22 accept' ;;
        *)
            for t in iptables ip6tables; do
                for r in 'INPUT -i eth0 -p tcp --dport' 'OUTPUT -o eth0 -p tcp --sport' 'FORWARD -p tcp --dport' 'FORWARD -p tcp --sport'; do
                    echo "$t -C $r 22 -j ACCEPT 2>/dev/null || $t -A $r 22 -j ACCEPT"
                done
            done ;;
    esac
}
# is_quiet NAME HOST: the server is silent, and all that it has sent has arrived and was acknowledged.
is_quiet() {
    for words in "$LAB/words.$2".*; do
        read -r sent <"$words" || continue
        if [ "$(size "$1")" = "$((5 * sent))" ]; then
            [ -z "$(on "$2" ss -Htn state established '( sport = :23 )' | awk '$2 != 0')" ]
            return
        fi
    done
    false
}
both_quiet() { is_quiet telnet4 device && is_quiet host-telnet4 host; }
open_sessions() {
    begin "$1"
    firewall_user >"$LAB/etc/firewall.user"
    # conntrack begins to see packets a moment before the rules are in force, and would know a session that speaks then.
    rm -f "$LAB"/words.*
    : >"$LAB/quiet"
    wait_for 5 "${WITH}$1: port 23 is quiet" both_quiet
    lock "$1: locked"
    rm "$LAB/quiet"
    check "${WITH}$1: firewall.user ran" grep -qx 'firewall.user: ok' "$LAB/said"
    for name in ssh4 ssh6 host-ssh4; do
        goes_from=
        wait_for 5 "${WITH}$1: goes on: $name" goes_on $name
    done
    # A session that no rule admits is reset as soon as its side sends, if conntrack does not know it; otherwise its
    # packets are dropped. A sender whose packets were dropped until firewall.user had run tries again after seconds.
    if [ "$1" = unknown ]; then
        wait_for 20 "${WITH}$1: the device's other session has ended" ended device 23
        wait_for 20 "${WITH}$1: the host's other session has ended" ended host 23
    fi
    rules >"$LAB/first"
    lock "$1: locked again"
    same "${WITH}$1: the same rules" rules <"$LAB/first"
    for name in ssh4 ssh6 host-ssh4; do
        goes_from=
        wait_for 5 "${WITH}$1: still goes on: $name" goes_on $name
    done
    finish
}
known() { open_sessions known; }
unknown() { open_sessions unknown; }

backends known unknown
