#!/bin/sh
# What --resolv-conf has written is undone, however the daemon ended: killed, by a power cut, with another option at the next
# start, or with none. A reload of the links, and a new server of a link alone, are followed.
# takes 40 s
. "$(dirname "$0")/lib.sh"

RESOLVER=
lab_up
cp -a /etc "$LAB/etc.copy"
mount --bind "$LAB/etc.copy" /etc
rm -f /etc/resolv.conf
names() { [ "$(sed -n 's/^nameserver //p' "${FILE:-/etc/resolv.conf}" | tr '\n' ' ')" = "$* " ]; }
servers() { [ "$(sed -n 's/^server=//p' "$1" | tr '\n' ' ')" = "$2 " ]; }
# As the hook of a DHCP client leaves them.
leases() {
    mkdir -p "$LAB/run/resolv"
    echo "nameserver $2" >"$LAB/run/resolv/$1"
}
both_lease() { leases eth0 198.18.1.1; leases wlan0 198.18.2.1; }
killed() {
    kill -KILL "$CONNMGR_PID"
    wait "$CONNMGR_PID" 2>"$LAB/last" || :
}
power_cut() {
    killed
    rm -rf "$LAB/run"
    both_lease
}
original_is_back() { cmp "$LAB/original" /etc/resolv.conf; }

# -- a power cut leaves our text in a persistent /etc/resolv.conf ------------------------------------------------------
both_lease
printf '# by hand\nsearch example\nnameserver 198.18.2.1\nnameserver 198.18.9.9\noptions timeout:1\nnameserver 198.18.1.1\n' >"$LAB/original"
cp "$LAB/original" /etc/resolv.conf
start_connmgr --resolv-conf auto
wait_for 10 "eth0's server comes first, the user's own stays" names 198.18.1.1 198.18.9.9
power_cut
check "a power cut: our text is still there" names 198.18.1.1 198.18.9.9
ip -n device link set eth0 down
start_connmgr --resolv-conf auto
wait_for 15 "the next start replaces it: eth0's server is not the user's" names 198.18.2.1 198.18.9.9
stop_connmgr || :
check "its end restores what was before the power cut" original_is_back
start_connmgr --resolv-conf auto
wait_for 10 "written again" names 198.18.2.1 198.18.9.9
power_cut
start_connmgr
wait_for 10 "--resolv-conf off after a power cut: the original is back" original_is_back
check "the log says so" log_has 'resolv_conf.sh: "/etc/resolv.conf: restored"'
stop_connmgr || :

# Another program's text, with a comment that resembles ours, is no text of ours.
printf '# connmgr: my own note\nnameserver 198.18.9.9\n' >"$LAB/original"
cp "$LAB/original" /etc/resolv.conf
start_connmgr
stays 2 "off: a file without our text is left alone" original_is_back
stop_connmgr || :
# No file at all, and one without servers.
for text in '' 'options timeout:1'; do
    rm -f /etc/resolv.conf
    [ -z "$text" ] || echo "$text" >/etc/resolv.conf
    start_connmgr --resolv-conf auto
    wait_for 10 "'$text': written" names 198.18.2.1
    power_cut
    start_connmgr
    wait_for 10 "'$text': no server is left after a power cut" not grep -q nameserver /etc/resolv.conf
    check "'$text': as before" test "$(cat /etc/resolv.conf 2>/dev/null || :)" = "$text"
    stop_connmgr || :
done

# -- killed, and started with another option ---------------------------------------------------------------------------
printf 'nameserver 198.18.2.1\n' >"$LAB/original"
ip -n device link set eth0 up
configure eth0
for next in "" "--resolv-conf $LAB/other"; do
    cp "$LAB/original" /etc/resolv.conf
    start_connmgr --resolv-conf auto
    wait_for 15 "written, then killed" names 198.18.1.1
    killed
    # shellcheck disable=SC2086  # words
    start_connmgr $next
    wait_for 15 "started with '$next': /etc/resolv.conf is restored" original_is_back
    stop_connmgr || :
done
echo server=198.18.9.9 >"$LAB/x.servers"
cp "$LAB/x.servers" "$LAB/x.before"
nsenter --net=/run/netns/device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --no-hosts --no-resolv \
    --pid-file=/run/dnsmasq.pid --bind-interfaces --listen-address=127.0.0.1 --servers-file="$LAB/x.servers" >"$LAB/local.out" 2>&1 &
poll 10 test -s /run/dnsmasq.pid
start_connmgr --resolv-conf "$LAB/x.servers"
wait_for 10 "dnsmasq's file: written" servers "$LAB/x.servers" 198.18.1.1
power_cut
start_connmgr --resolv-conf "$LAB/x.servers"
wait_for 10 "dnsmasq's file: written after a power cut" log_has 'x.servers: 198.18.1.1, of eth0'
stop_connmgr || :
check "dnsmasq's file: as before" cmp "$LAB/x.servers" "$LAB/x.before"

# -- what changes while it runs ----------------------------------------------------------------------------------------
cp "$LAB/original" /etc/resolv.conf
start_connmgr --resolv-conf auto
wait_for 10 "wlan0's server is no user's" names 198.18.1.1
printf "WIFISTA_INTERFACE_0=''\n" >"$LAB/etc/netif_names"
ask reload >"$LAB/said"
wait_for 5 "a reload without wlan0: its server is the user's now" names 198.18.1.1 198.18.2.1
printf "WIFISTA_INTERFACE_0='wlan0'\n" >"$LAB/etc/netif_names"
ask reload >"$LAB/said"
wait_for 5 "a reload with wlan0: no longer" names 198.18.1.1
printf 'nameserver 198.18.1.1\nnameserver 198.18.2.1\n' >/etc/resolv.conf
wait_for 5 "a client writes both servers: eth0's alone is asked" names 198.18.1.1
rm "$LAB/run/resolv/eth0"
ip -n device link set eth0 down
wait_for 5 "eth0 is down, and the client has deleted its record: wlan0's server alone is asked" names 198.18.2.1
ip -n device link set eth0 up
configure eth0
leases eth0 198.18.1.1
wait_for 40 "eth0 is back" in_use eth0
wait_for 5 "its lease is written" names 198.18.1.1
cp "$LAB/original" /etc/resolv.conf
wait_for 5 "its server is asked" names 198.18.1.1
leases eth0 198.18.1.8
wait_for 5 "eth0's lease has another server, and nothing else has changed" names 198.18.1.8
echo "nameserver 198.18.1.7" >"$LAB/run/resolv/eth0"
wait_for 5 "written in place, of the same length" names 198.18.1.7
stop_connmgr || :
check "the end restores the original" original_is_back

# -- another program writes just before the script renames its file ----------------------------------------------------
mkdir -p "$LAB/bin" "$LAB/root/etc"
cat >"$LAB/bin/mv" <<END
#!/bin/sh
case "\$*" in *resolv.conf.connmgr\ *) [ ! -e "$LAB/late" ] || { cat "$LAB/late" >"$LAB/root/etc/resolv.conf"; rm "$LAB/late"; } ;; esac
exec $(command -v mv) "\$@"
END
chmod +x "$LAB/bin/mv"
run_script() {
    CONNMGR_ROOT="$LAB/root" CONNMGR_RUN_DIR="$LAB/run" PATH="$LAB/bin:$PATH" "$REPO/scripts/resolv_conf.sh" "$@" >"$LAB/said" 2>&1
}
FILE=$LAB/root/etc/resolv.conf
leases eth0 198.18.1.1
echo "search before" >"$FILE"
printf 'nameserver 198.18.9.9\nsearch late\n' >"$LAB/late"
run_script use "$FILE" eth0
check "use: what was written last stays, with eth0's server first" names 198.18.1.1 198.18.9.9
check "use: its other lines, too" grep -qx 'search late' "$FILE"
echo "search at the end" >"$LAB/late"
run_script restore "$FILE"
check "restore: what was written last stays" test "$(cat "$FILE")" = "search at the end"
check "no other file is left" test "$(ls -A "$LAB/root/etc")" = resolv.conf
