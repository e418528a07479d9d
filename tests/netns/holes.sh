# shellcheck shell=sh
# Functions for tests of holes; source it after lib.sh. The test changes the addresses of one.example and
# two.example: answer NAME ADDRESS...; alias.example is a CNAME of two.example. `by` needs firewall.sh and
# names.sh, sourced before.

FIREWALL=
answer() {
    answer_name=$1
    shift
    grep -v "^host-record=$answer_name" "$LAB/records" >"$LAB/records.new" || :
    for address; do echo "host-record=$answer_name,$address,${TTL:-60}" >>"$LAB/records.new"; done
    mv "$LAB/records.new" "$LAB/records"
    [ -z "${DNS_PID:-}" ] || { kill "$DNS_PID"; wait "$DNS_PID" 2>"$LAB/last" || :; }
    : >"$LAB/names.log"
    nsenter --net=/run/netns/cloud dnsmasq --keep-in-foreground --conf-file="$LAB/records" --user=root --group= --pid-file= --no-resolv --no-hosts \
        --log-queries --log-facility="$LAB/names.log" --bind-interfaces --listen-address=198.18.100.54 \
        --server=/echo.example/198.18.100.53 --cname=alias.example,two.example --local=/example/ >"$LAB/names.out" 2>&1 &
    DNS_PID=$!
    poll 5 grep -q started "$LAB/names.log"
}

# names_up: adds them to the device's name server. The cloud owns 198.18.101.0/24.
names_up() {
    on cloud ip route add local 198.18.101.0/24 dev lo
    on cloud ip address add 198.18.100.54/32 dev lo
    : >"$LAB/records"
    answer two.example 198.18.101.2
    echo nameserver 198.18.100.54 >"$LAB/resolv.conf"
}

# by legacy|nft sets|rules: sets which iptables the daemon's scripts find, and how addresses get into the
# kernel; with LAB_FIREWALL=nft neither. Afterwards nothing is locked or remembered.
by() {
    PATH=${system_path:=$PATH}
    unlock
    rm -f "$LAB/run/holes"
    use_variant "$1"
    if is_nft; then
        BY="addresses by nft" WITH="nf_tables: "
        return
    fi
    [ "$2" = sets ] || no_sets
    BY="addresses by $2" WITH="iptables-$1, $2: "
}
# start_by: starts connmgr in that way.
start_by() {
    start_connmgr --resolver 198.18.100.54
    wait_for 10 "${WITH}locked" log_has "locked in .*$BY"
}

reaches() { on device socat -u OPEN:/dev/null "TCP:$1:80,connect-timeout=${2:-0.9}"; }
resolves() { on device getent ahostsv4 "$1"; }

# left_between ADDRESS LEAST MOST
left_between() {
    seconds=$(left "$1")
    echo "$1: ${seconds:-shut}"
    [ "${seconds:-0}" -ge "$2" ] && [ "$seconds" -le "$3" ]
}
