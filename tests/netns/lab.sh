# shellcheck shell=sh
# The lab: hosts, links and their faults. Part of lib.sh.
#
#                    device                                   routers                         cloud
#   eth0   198.18.1.2/24  2001:db8:1::2/64 ──veth── lan  .1/::1   r-eth   wan ─veth── eth    198.18.100.8   ::8   ping
#   wlan0  198.18.2.2/24  2001:db8:2::2/64 ──veth── lan  .1/::1   r-wlan  wan ─veth── wlan   198.18.100.10  ::10  echo
#   wwan0  198.18.3.2     2001:db8:3::2/64 ──tun─── lan  .1/::1   r-wwan  wan ─veth── wwan   198.18.100.11  ::11  echo
#          metrics 10, 20, 50; wwan0 is point-to-point, without Ethernet header              198.18.100.53  ::53  DNS
#                                                                                             (2001:db8:100::/64)
# The routers drop packets with a foreign source, as NAT would lose them. echo.example is .10 and .11, IPv4 and IPv6.

# on HOST CMD...
on() {
    lab_host=$1
    shift
    nsenter --net="/run/netns/$lab_host" "$@"
}

# new_host HOST: a namespace with the lab's settings; r-* are routers.
new_host() {
    # Set it before the links exist: an address is unusable for a second during duplicate address
    # detection.
    # shellcheck disable=SC2016  # the inner shell's business
    on "$1" sh -c '
        cd /proc/sys/net
        for all in all default; do
            echo 0 >ipv6/conf/$all/accept_dad
            echo 0 >ipv6/conf/$all/router_solicitations
            echo 0 >ipv4/conf/$all/rp_filter
            case $1 in r-*)
                echo 1 >ipv4/conf/$all/rp_filter
                echo 1 >ipv6/conf/$all/keep_addr_on_down ;;
            esac
        done
        case $1 in r-*) echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding ;; esac
        ip link set lo up' sh "$1"
}

# new_way NAME N: addresses and routes between the router r-NAME and the cloud, whose device NAME is there.
new_way() {
    ip -n cloud -batch - <<END
link set $1 up
address add 198.18.1$2.2/24 dev $1
address add 2001:db8:1$2::2/64 dev $1
route add 198.18.$2.0/24 via 198.18.1$2.1
route add 2001:db8:$2::/64 via 2001:db8:1$2::1
END
    ip -n "r-$1" -batch - <<END
link set wan up
address add 198.18.1$2.1/24 dev wan
address add 2001:db8:1$2::1/64 dev wan
route add default via 198.18.1$2.2
route add default via 2001:db8:1$2::2
END
}

# more_link LINK: another link with a router of its own: eth1 or wwan1. wwan1 is a modem like wwan0.
more_link() {
    lab_n=$(number_of "$1")
    ip netns add "r-$1"
    new_host "r-$1"
    ip link add wan index "3$lab_n" netns "r-$1" type veth peer name "$1" index "4$lab_n" netns cloud
    new_way "$1" "$lab_n"
    case $1 in wwan*) new_modem "$1" ;; *) new_link "$1" ;; esac
}

lab_up() {
    printf 'netns add %s\n' device r-eth r-wlan r-wwan cloud | ip -batch -
    for lab_host in device r-eth r-wlan r-wwan cloud; do new_host "$lab_host"; done

    ip -batch - <<'END'
link add wan index 31 netns r-eth type veth peer name eth index 41 netns cloud
link add wan index 32 netns r-wlan type veth peer name wlan index 42 netns cloud
link add wan index 33 netns r-wwan type veth peer name wwan index 43 netns cloud
END
    new_link eth0
    new_link wlan0
    modem_on

    printf 'address add %s dev lo\n' 198.18.100.8/32 198.18.100.10/32 198.18.100.11/32 198.18.100.53/32 \
        2001:db8:100::8/128 2001:db8:100::10/128 2001:db8:100::11/128 2001:db8:100::53/128 | ip -n cloud -batch -
    new_way eth 1
    new_way wlan 2
    new_way wwan 3
    # shellcheck disable=SC2086  # $LAB_DNS: more options, words
    on cloud dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
        --log-queries --log-facility="$LAB/dns.log" --local-ttl=60 --bind-interfaces \
        --listen-address=198.18.100.53 --listen-address=2001:db8:100::53 \
        --host-record=echo.example,198.18.100.10,2001:db8:100::10 --host-record=echo.example,198.18.100.11,2001:db8:100::11 ${LAB_DNS:-} \
        >"$LAB/dnsmasq.out" 2>&1 &
    echo nameserver 198.18.100.53 >"$LAB/resolv.conf"
    mkdir -p "$LAB/etc"
    echo "# the default names" >"$LAB/etc/netif_names"
    echo_mode echo
    poll 10 grep -q started "$LAB/dns.log"
    LAB_LTE=$(bytes wwan0)
}

# True if nothing was sent over the metered link.
lte_untouched() { [ "$(bytes wwan0)" = "$LAB_LTE" ]; }

# Compare the first letters, so that a test can give links other names.
number_of() {
    case $1 in eth1) echo 4 ;; wwan1) echo 5 ;; eth*) echo 1 ;; wlan*) echo 2 ;; wwan*) echo 3 ;; *) return 1 ;; esac
}
metric_of() {
    case $1 in eth1) echo 11 ;; wwan1) echo 51 ;; eth*) echo 10 ;; wlan*) echo 20 ;; wwan*) echo 50 ;; *) return 1 ;; esac
}
router_of() {
    case $1 in eth1 | wwan1) echo "r-$1" ;; eth*) echo r-eth ;; wlan*) echo r-wlan ;; wwan*) echo r-wwan ;; *) return 1 ;; esac
}
subnet_of() { echo "198.18.$(number_of "$1")"; }
subnet6_of() { echo "2001:db8:$(number_of "$1")"; }

# new_link LINK: the device gets this interface, as when a USB adapter is plugged in, and the router its end of it.
new_link() {
    lab_n=$(number_of "$1")
    # Set the indexes: a veth whose peer has the same index gets carrier events up to a second late.
    ip link add "$1" index "1$lab_n" netns device type veth peer name lan index "2$lab_n" netns "$(router_of "$1")"
    ip -n "$(router_of "$1")" -batch - <<END
link set lan up
address add 198.18.$lab_n.1/24 dev lan
address add 2001:db8:$lab_n::1/64 dev lan
END
    configure "$1"
}

# configure LINK [METRIC]: plays DHCP and router advertisements: brings the link up, adds addresses and
# defaults.
configure() {
    lab_metric=${2:-$(metric_of "$1")}
    lab_via="via $(subnet_of "$1").1" lab_via6="via $(subnet6_of "$1")::1" lab_address="$(subnet_of "$1").2/24"
    case $1 in wwan*) lab_via='' lab_via6='' lab_address="$(subnet_of "$1").2 peer $(subnet_of "$1").1" ;; esac
    ip -n device -batch - <<END
link set $1 up
address replace $lab_address dev $1
address replace $(subnet6_of "$1")::2/64 dev $1
route replace 0.0.0.0/0 $lab_via dev $1 metric $lab_metric
route replace ::/0 $lab_via6 dev $1 metric $lab_metric
END
}

# unconfigure LINK: deletes the addresses, and with them the routes; the link stays up.
unconfigure() {
    ip -n device address flush dev "$1" scope global
    ip -n device -6 route flush dev "$1" exact default
}

# The modem appears, or disappears from its bus with its device.
modem_on() {
    new_modem wwan0
    MODEM_PID=$!
}
# new_modem LINK: a tun device without Ethernet header and gateway; $! is the process that carries its packets.
# $SLEEPS: after how many milliseconds the link sleeps, and how many it needs to wake up.
new_modem() {
    # shellcheck disable=SC2086  # words
    "$LABTOOL" tunnel device "$1" "$(router_of "$1")" lan ${SLEEPS:-} >"$LAB/tunnel.$1.log" 2>&1 &
    poll 10 ip -n "$(router_of "$1")" link show lan
    ip -n "$(router_of "$1")" -batch - <<END
link set lan up
address add $(subnet_of "$1").1 peer $(subnet_of "$1").2 dev lan
address add $(subnet6_of "$1")::1/64 dev lan
END
    # Keep the kernel from sending anything by itself over the metered link.
    ip -n device link set "$1" multicast off addrgenmode none
    configure "$1"
}
modem_off() {
    kill "$MODEM_PID"
    wait "$MODEM_PID" 2>"$LAB/last" || :
}

# plug LINK, unplug LINK: changes the carrier of the cable or radio, nothing else. A tun device takes up to a
# second.
plug() {
    case $1 in
        wwan*) ip -n device link set "$1" carrier on ;;
        *) ip -n "$(router_of "$1")" link set lan up ;;
    esac
}
unplug() {
    case $1 in
        wwan*) ip -n device link set "$1" carrier off ;;
        *) ip -n "$(router_of "$1")" link set lan down ;;
    esac
    poll 10 no_carrier "$1"
}
no_carrier() { ip -n device link show "$1" | grep -q NO-CARRIER; }

# host_behind: makes a host behind the device's bridge. The device forwards and masquerades for it.
host_behind() {
    ip netns add host
    on device sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    on host sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
    ip -n device -batch - <<'END'
link add br-apnet type bridge
link add ap index 61 type veth peer name lan index 62 netns host
link set ap master br-apnet up
link set br-apnet up
address add 198.18.50.1/24 dev br-apnet
address add 2001:db8:50::1/64 dev br-apnet
END
    ip -n host -batch - <<'END'
link set lo up
link set lan up
address add 198.18.50.2/24 dev lan
address add 2001:db8:50::2/64 dev lan
route add default via 198.18.50.1
route add default via 2001:db8:50::1
END
    if is_nft; then
        on device nft -f - <<'END'
table inet lab {
    chain srcnat { type nat hook postrouting priority srcnat; ip saddr 198.18.50.0/24 masquerade; ip6 saddr 2001:db8:50::/64 masquerade; }
}
END
        return
    fi
    on device iptables -w -t nat -A POSTROUTING -s 198.18.50.0/24 -j MASQUERADE
    on device ip6tables -w -t nat -A POSTROUTING -s 2001:db8:50::/64 -j MASQUERADE
}

# rule LINK ARGS...: runs iptables of both families in the link's router.
rule() {
    lab_router=$(router_of "$1")
    shift
    on "$lab_router" iptables -w "$@"
    on "$lab_router" ip6tables -w "$@"
}

# one_lan ADDRESS...: moves wlan0 into the LAN of eth0. The router of eth0 gets a bridge with these addresses,
# to which the radio belongs, too.
one_lan() {
    ip -n device link delete wlan0
    ip -n r-eth -batch - <<'END'
link add lanbr type bridge
address flush dev lan
link set lan master lanbr
link add radio index 29 type veth peer name wlan0 index 12 netns device
link set radio master lanbr up
link set lanbr up
END
    for lab_address; do ip -n r-eth address add "$lab_address" dev lanbr; done
}

# upstream_dead LINK [drop|reset|unreachable|beyond]: nothing behind the link's router can be reached; the
# carrier stays. The router is silent, answers TCP with resets, or answers everything with ICMP errors; or a
# host behind it does.
upstream_dead() {
    upstream_alive "$1"
    case ${2:-drop} in
        beyond)
            lab_side=${1%0}
            # Also drop packets from there, such as TCP retransmissions.
            on cloud iptables-restore -w --noflush <<END
*filter
-A INPUT -i $lab_side -j REJECT --reject-with icmp-host-unreachable
-A OUTPUT -o $lab_side ! -p icmp -j DROP
COMMIT
END
            on cloud ip6tables-restore -w --noflush <<END
*filter
-A INPUT -i $lab_side ! -p icmpv6 -j REJECT --reject-with icmp6-addr-unreachable
-A INPUT -i $lab_side -p icmpv6 --icmpv6-type echo-request -j REJECT --reject-with icmp6-addr-unreachable
-A OUTPUT -o $lab_side ! -p icmpv6 -j DROP
COMMIT
END
            return ;;
    esac
    forward_nothing "$1" "${2:-drop}"
}
# forward_nothing LINK HOW: nothing behind the router answers. It resets connections (reset), says that hosts are
# unreachable (unreachable), or is silent.
forward_nothing() {
    case $2 in
        reset) rule "$1" -A FORWARD -i lan -p tcp -j REJECT --reject-with tcp-reset ;;
        unreachable)
            on "$(router_of "$1")" iptables -w -A FORWARD -i lan -j REJECT --reject-with icmp-host-unreachable
            on "$(router_of "$1")" ip6tables -w -A FORWARD -i lan -j REJECT --reject-with icmp6-addr-unreachable ;;
    esac
    rule "$1" -A FORWARD -j DROP
}
upstream_alive() {
    rule "$1" -F FORWARD
    on cloud iptables -w -F
    on cloud ip6tables -w -F
}

# dns_dead LINK: blocks DNS; upstream_alive ends that, too.
dns_dead() {
    rule "$1" -A FORWARD -p udp --dport 53 -j DROP
    rule "$1" -A FORWARD -p tcp --dport 53 -j DROP
}

# echo_mode MODE: sets what the echo service does: echo, refuse, or a mode of "labtool echo".
echo_mode() {
    if [ "$1" = refuse ]; then
        kill "$ECHO_PID"
        wait "$ECHO_PID" 2>"$LAB/last" || :
        ECHO_PID=
        return
    fi
    echo "$1" >"$LAB/echo-mode.new"
    mv "$LAB/echo-mode.new" "$LAB/echo-mode"
    [ -z "${ECHO_PID:-}" ] || return 0
    : >"$LAB/echo.log"
    nsenter --net=/run/netns/cloud "$LABTOOL" echo 80 "$LAB/echo-mode" >"$LAB/echo.log" 2>&1 &
    ECHO_PID=$!
    poll 10 grep -q listening "$LAB/echo.log"
}

# portal LINK MODE: starts a captive portal in the link's router that takes every connection to port 80 (see
# "labtool echo" for the modes). portal LINK off: ends it.
portal() {
    rule "$1" -t nat -F PREROUTING
    [ "$2" != off ] || return 0
    echo "$2" >"$LAB/portal-mode.$1"
    if [ ! -e "$LAB/portal.$1.log" ]; then
        nsenter --net="/run/netns/$(router_of "$1")" "$LABTOOL" echo 8080 "$LAB/portal-mode.$1" >"$LAB/portal.$1.log" 2>&1 &
        poll 10 grep -q listening "$LAB/portal.$1.log"
    fi
    rule "$1" -t nat -A PREROUTING -i lan -p tcp --dport 80 -j REDIRECT --to-ports 8080
}

# asked LINK ADDRESS RESULT: true if the device asks the echo service over the link with that result.
asked() {
    lab_answer=$(on device "$LABTOOL" ask "$1" "$2" 80) || :
    echo "$lab_answer"
    [ "$lab_answer" = "$3" ]
}

# bytes LINK: prints the bytes that the device has sent.
# shellcheck disable=SC2016  # awk's
bytes() {
    on device awk -v link="$1:" '$1 == link { print $10 }' /proc/net/dev
}
