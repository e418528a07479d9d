# shellcheck shell=sh
# Peers from Debian in the lab, for bench.sh: programs that users may have instead of connmgr, on the same device with the same
# cables. Source it after lib.sh, before or after lab_up.

# peer_up NAME: the program manages eth0 and wlan0, and prefers eth0. Fails if it does not within a minute.
peer_up() {
    unconfigure eth0
    unconfigure wlan0
    case $1 in
        dhcpcd)
            mount -t tmpfs tmpfs /var/lib/dhcpcd
            mkdir -p /run/dhcpcd
            for peer_link in eth0 wlan0; do
                peer_net=$(subnet_of "$peer_link")
                nsenter --net="/run/netns/$(router_of "$peer_link")" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root \
                    --group= --pid-file= --port=0 --interface=lan --bind-interfaces --dhcp-authoritative --no-ping \
                    --dhcp-range="$peer_net.2,$peer_net.2,255.255.255.0,1h" --dhcp-option="option:router,$peer_net.1" \
                    --dhcp-leasefile="$LAB/leases.$peer_link" >"$LAB/dhcp.$peer_link" 2>&1 &
            done
            # -A: no ARP probing, which takes 5 s for each lease.
            printf 'interface eth0\nmetric 10\ninterface wlan0\nmetric 20\n' >"$LAB/dhcpcd.conf"
            nsenter --net=/run/netns/device dhcpcd -4 -A -L -B -f "$LAB/dhcpcd.conf" -C hostname -C resolv.conf eth0 wlan0 \
                >"$LAB/peer.log" 2>&1 & ;;
        NetworkManager)
            mkdir -p "$LAB/nm/keys" "$LAB/nm/conf.d" /run/dbus /var/lib/NetworkManager
            mount -t tmpfs tmpfs /var/lib/NetworkManager
            for peer_link in eth0 wlan0; do
                peer_net=$(subnet_of "$peer_link")
                cat >"$LAB/nm/keys/$peer_link.nmconnection" <<END
[connection]
id=$peer_link
type=ethernet
interface-name=$peer_link
[ipv4]
method=manual
address1=$peer_net.2/24,$peer_net.1
route-metric=$(metric_of "$peer_link")
[ipv6]
method=disabled
END
                chmod 600 "$LAB/nm/keys/$peer_link.nmconnection"
            done
            # As shipped, but for the check, which asks the lab's server.
            cat >"$LAB/nm/NetworkManager.conf" <<END
[main]
plugins=keyfile
dns=none
[keyfile]
path=$LAB/nm/keys
unmanaged-devices=interface-name:wwan0
[device]
match-device=type:veth
managed=1
END
            dbus-daemon --system --nofork --nopidfile >"$LAB/dbus.log" 2>&1 &
            poll 10 test -S /run/dbus/system_bus_socket
            # ip mounts the /sys of the device. If it can be written, NetworkManager waits for udev, which the lab does not have.
            # shellcheck disable=SC2016 # the inner shell's
            ip netns exec device sh -c 'mount -o remount,ro,bind /sys; exec NetworkManager --debug --config="$1/NetworkManager.conf" \
                --config-dir="$1/conf.d"' sh "$LAB/nm" >"$LAB/peer.log" 2>&1 & ;;
    esac
    PEER_NAME=$1
    poll 60 peer_is_ready || { tail -n 20 "$LAB/peer.log" >&2; return 1; }
}
peer_is_ready() { peer_leads eth0 && ip -n device -4 route show default dev wlan0 | grep -q .; }
# peer_leads LINK: true if a packet to the cloud goes over that link.
peer_leads() { ip -n device -4 route get 198.18.100.10 2>/dev/null | grep -q " dev $1 "; }

# measure_peer_switch NAME RUNS: milliseconds from carrier loss until the default over eth0 is gone, or its address,
# with which the kernel deletes the route without an event.
measure_peer_switch() {
    peer_up "$1"
    peer_runs=$2
    while [ "$peer_runs" -gt 0 ]; do
        : >"$LAB/events"
        nsenter --net=/run/netns/device "$LABTOOL" watch >"$LAB/events" &
        peer_watch=$!
        poll 5 grep -q watching "$LAB/events"
        sleep 0.3
        ip -n r-eth link set lan down
        poll 60 peer_leads wlan0
        poll 5 peer_switch_time
        peer_switch_time
        kill "$peer_watch"
        wait "$peer_watch" 2>"$LAB/last" || :
        ip -n r-eth link set lan up
        poll 60 peer_is_ready
        peer_runs=$((peer_runs - 1))
    done
}
peer_switch_time() {
    awk 'index($0, "link eth0 up no-carrier") && !began { began = $1 }
        began && (/default4 eth0 metric .* gone/ || /address4 eth0 gone/) { ended = 1; printf "%.2f\n", ($1 - began) / 1000; exit }
        END { exit !ended }' "$LAB/events"
}

# measure_peer_cost NAME SECONDS: wake-ups a second of the main threads, resident kB; of all its processes.
measure_peer_cost() {
    peer_up "$1"
    sleep 5
    peer_before=$(peer_woken)
    sleep "$2"
    echo "$(peer_woken) $peer_before $2" | awk '{ printf "%.2f\n", ($1 - $2) / $3 }'
    peer_resident=0
    for peer_pid in $(peer_processes); do
        peer_resident=$((peer_resident + $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$peer_pid/status")))
    done
    echo "$peer_resident"
}
# dhcpcd has a process for each of its duties.
peer_processes() { pgrep -x "$PEER_NAME"; }
peer_woken() {
    for peer_pid in $(peer_processes); do cat "/proc/$peer_pid/status"; done |
        awk '$1 == "voluntary_ctxt_switches:" { n += $2 } END { print n }'
}

# peer_lockdown: a rule set by hand that admits what dnsmasq has put into a set (--nftset), on the way out. dnsmasq is the
# device's resolver, as in its manual.
peer_lockdown() {
    on device nft -f - <<'END'
table inet lab {
    set admitted { type ipv4_addr; }
    chain output {
        type filter hook output priority filter; policy drop;
        oif lo accept
        ip daddr { 198.18.100.10, 198.18.100.55 } accept
        ip daddr @admitted accept
    }
}
END
    on device dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
        --bind-interfaces --listen-address=127.0.0.1 --server=198.18.100.55 --nftset=/fresh.example/4#inet#lab#admitted \
        >"$LAB/peer.log" 2>&1 &
    poll 10 on device "$LABTOOL" resolve 127.0.0.1 n65001.fresh.example
}
