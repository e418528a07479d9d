# shellcheck shell=sh
# Resolvers of other programs, for the tests of --resolv-conf: unpacked packages, a system bus, and a router of each link that is
# its DHCP server and name server. Source it after lib.sh; then LAB_DNS is set for lab_up.

LAB_DNS=--address=/fresh.example/198.18.100.8

# need_packages PACKAGE...: lays the files of the packages, which tests/prerequisites.sh has unpacked, over those of the
# machine, in this sandbox alone; writes to /etc go to a copy. Skips the test if a package is missing.
need_packages() {
    mount -t tmpfs tmpfs /mnt
    mkdir -p /mnt/usr /mnt/upper /mnt/work /mnt/etc
    for lab_package; do
        lab_tree=$REPO/artifacts/lab/$lab_package
        [ -d "$lab_tree" ] || { skip "$lab_package is not unpacked: make setup"; exit 0; }
        [ ! -d "$lab_tree/usr" ] || cp -a "$lab_tree/usr/." /mnt/usr
        [ ! -d "$lab_tree/lib" ] || cp -a "$lab_tree/lib" /mnt/usr
        [ ! -d "$lab_tree/sbin" ] || cp -a "$lab_tree/sbin" /mnt/usr
        [ ! -d "$lab_tree/etc" ] || cp -a "$lab_tree/etc/." /mnt/etc
    done
    mount -t overlay overlay -o lowerdir=/mnt/usr:/usr,upperdir=/mnt/upper,workdir=/mnt/work /usr
    cp -a /etc "$LAB/etc.copy"
    cp -a /mnt/etc/. "$LAB/etc.copy"
    mount --bind "$LAB/etc.copy" /etc
    rm -f /etc/resolv.conf /etc/resolv.conf.connmgr
    printf 'hosts: files dns\n' >/etc/nsswitch.conf
    [ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef >/etc/machine-id
}

# need_programs PROGRAM...: skips the test if one is missing, or a library of it.
need_programs() {
    for lab_program; do
        lab_path=$(command -v "$lab_program") || { skip "$lab_program is not installed"; exit 0; }
        lab_missing=$(ldd "$lab_path" 2>/dev/null | sed -n 's/^[[:space:]]*\(.*\) => not found/\1/p' | paste -s -d ' ' -)
        [ -z "$lab_missing" ] || { skip "$lab_program lacks $lab_missing"; exit 0; }
    done
}

# need_user NAME ID: the user is there, as the package's own scripts make it.
need_user() { grep -q "^$1:" /etc/passwd || { echo "$1:x:$2:$2::/:/usr/sbin/nologin" >>/etc/passwd; echo "$1:x:$2:" >>/etc/group; }; }

bus_up() {
    need_user messagebus 981
    mkdir -p /run/dbus
    dbus-daemon --system --nofork --nopidfile >"$LAB/dbus.log" 2>&1 &
    poll 10 test -S /run/dbus/system_bus_socket
}

# serve_names LINK [ARGS...]: the link's router gives addresses, itself as the name server, and answers as the provider's server
# does, on its own link alone.
serve_names() {
    lab_link=$1 lab_near=$(subnet_of "$1").1
    shift
    nsenter --net="/run/netns/$(router_of "$lab_link")" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= \
        --pid-file= --no-resolv --no-hosts --bind-interfaces --listen-address="$lab_near" --server=198.18.100.53 --no-negcache \
        --cache-size=0 --dhcp-range="${lab_near%.1}.50,${lab_near%.1}.60,10m" --dhcp-authoritative \
        --dhcp-leasefile="$LAB/leases.$lab_link" --log-queries --log-facility="$LAB/dns.$lab_link" "$@" >"$LAB/dns.$lab_link.out" 2>&1 &
    poll 10 grep -q started "$LAB/dns.$lab_link"
}
# names_dead LINK: nothing behind the router answers, nor does its name server.
names_dead() {
    upstream_dead "$1"
    rule "$1" -A INPUT -p udp --dport 53 -j DROP
}
names_alive() {
    upstream_alive "$1"
    rule "$1" -F INPUT
}
# asked_at NAME LINK: true if the name was asked over the link: of its router, or of the cloud's server.
asked_at() { grep -q "query\[A\] $1 " "$LAB/dns.$2" || grep -qF "query[A] $1 from $(subnet_of "$2")." "$LAB/dns.log"; }
# asks LINK: a new name resolves, by the server of this link and of no other.
lab_fresh=0
asks() {
    lab_fresh=$((lab_fresh + 1))
    lab_name=n$lab_fresh.fresh.example
    on device timeout 6 getent ahostsv4 "$lab_name" || return
    for lab_link in eth0 wlan0 wwan0; do
        if [ "$lab_link" = "$1" ]; then asked_at "$lab_name" "$lab_link" || return; else ! asked_at "$lab_name" "$lab_link" || return; fi
    done
}
# asks_all LINK...: a new name is asked of the servers of all these links.
asks_all() {
    lab_fresh=$((lab_fresh + 1))
    lab_name=n$lab_fresh.fresh.example
    on device timeout 6 getent ahostsv4 "$lab_name" || return
    for lab_link; do asked_at "$lab_name" "$lab_link" || return; done
}
