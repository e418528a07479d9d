# shellcheck shell=sh
# New names: h-A-B-C-D.fresh.example has the address A.B.C.D of 198.18.101.0/24, which the cloud owns;
# other.example is 198.18.102.1. Source it after lib.sh.

# fresh_names: adds them to the device's name server, beside echo.example.
fresh_names() {
    on cloud ip route add local 198.18.101.0/24 dev lo
    on cloud ip route add local 198.18.102.0/24 dev lo
    on cloud ip address add 198.18.100.54/32 dev lo
    on cloud dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts \
        --log-facility="$LAB/fresh.log" --local-ttl=60 --bind-interfaces --listen-address=198.18.100.54 \
        --synth-domain=fresh.example,198.18.101.0/24,h- --host-record=other.example,198.18.102.1 --local=/example/ \
        --server=/echo.example/198.18.100.53 >"$LAB/fresh.out" 2>&1 &
    echo nameserver 198.18.100.54 >"$LAB/resolv.conf"
    poll 10 grep -q started "$LAB/fresh.log"
}
