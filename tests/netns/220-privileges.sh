#!/bin/sh
# Started as root, the daemon keeps only CAP_NET_ADMIN and CAP_NET_RAW, in every thread and for its scripts,
# and everything works: switches, sysctls, the firewall. With these two it does not need root at all.
# takes 14 s
. "${0%/*}/lib.sh"

# Prints the capabilities of each thread, one line if all agree.
held() { cat "/proc/$CONNMGR_PID/task/"*/status | awk -v key="$1:" '$1 == key { print $2 }' | sort -u; }
holds() { [ "$(held "$1")" = "$2" ]; }
both=0000000000003000

lab_up
# firewall.user reports the capabilities of a script.
# shellcheck disable=SC2016 # expanded by that script
echo 'cat /proc/self/status >"$CONNMGR_RUN_DIR/script.status"' >"$LAB/etc/firewall.user"
chmod 711 "${LAB%/*}" "$LAB"
echo '198.18.100.11' >"$LAB/etc/whitelist"
on device sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter'

# Make copies: the user may not be able to reach the project's directory.
as_ordinary_user() {
    cp "$(CONNMGR='' connmgr_path)" "$LAB/executable"
    cp -R "$REPO/scripts" "$LAB/scripts"
    chmod -R a+rX "$LAB/scripts"
    SCRIPTS=$LAB/scripts
    cat >"$LAB/connmgr" <<END
#!/bin/sh
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_admin,+net_raw \
    --ambient-caps=-all,+net_admin,+net_raw -- "$LAB/executable" "\$@"
END
    chmod +x "$LAB/connmgr"
    CONNMGR=$LAB/connmgr
    rm -rf "$LAB/run"
    mkdir "$LAB/run"
    chown -R 65534 "$LAB/run"
    XTABLES_LOCKFILE=$LAB/run/xtables.lock
    export XTABLES_LOCKFILE
}

for user in 0 65534; do
    FIREWALL=
    if [ "$user" != 0 ]; then
        as_ordinary_user
        if ! setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all test -x "$SCRIPTS/switch_route.sh"; then
            skip "user $user cannot get to any file on this machine"
            exit 0
        fi
    fi
    start_connmgr
    check "user $user: it says at start what it holds" \
        log_has "runs as user $user, CAP_NET_ADMIN CAP_NET_RAW, no new privileges"
    for set in CapPrm CapEff CapInh CapAmb; do check "user $user: $set is these two in every thread" holds "$set" "$both"; done
    [ "$user" != 0 ] || check "user $user: the bounding set is these two in every thread" holds CapBnd "$both"
    check "user $user: no new privileges, in any thread" holds NoNewPrivs 1
    wait_for 10 "user $user: eth0 is in use" in_use eth0
    wait_for 5 "user $user: the device is locked" on device iptables -C OUTPUT -j AFERO_ALLOW_WHITELIST_OUTPUT
    check "user $user: and its policy is DROP" sh -c 'nsenter --net=/run/netns/device iptables -S | grep -qx -e "-P INPUT DROP"'
    wait_for 5 "user $user: a script ran" test -s "$LAB/run/script.status"
    check "user $user: a script holds the same" sh -c "[ \"\$(awk '/^Cap(Prm|Eff)/ { print \$2 }' '$LAB/run/script.status' | sort -u)\" = $both ]"
    # shellcheck disable=SC2016 # expanded in the device
    wait_for 5 "user $user: it sets strict rp_filter to loose" on device sh -c '[ "$(cat /proc/sys/net/ipv4/conf/eth0/rp_filter)" = 2 ]'
    wait_for 5 "user $user: wlan0 is confirmed" state wlan0 ITFUP_SS
    unplug eth0
    wait_for 3 "user $user: it switches" in_use wlan0
    wait_for 5 "user $user: its own address set holds the whitelist" sh -c "nsenter --net=/run/netns/device ipset list afero4 | grep -q 198.18.100.11"
    stop_connmgr || :
    plug eth0
    configure eth0
    on device sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter'
done
