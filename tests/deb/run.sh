#!/bin/bash
# run.sh [SUITE...]: the Debian package in the life of a machine: installed, started, upgraded, rebooted, removed, purged, in roots of
# bookworm and trixie that are booted with their own systemd (systemd-nspawn, with a network namespace of their own). Also as an image
# builder installs it, in a root that is not booted. Needs root, what `make deb` made, and a Debian mirror: that of this machine's
# apt. A few minutes for each release. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit
[ "$(id -u)" = 0 ] || { echo "run.sh: needs root" >&2; exit 77; }
arch=$(dpkg --print-architecture) version=$(cat VERSION)
new=artifacts/connmgr_${version}_$arch.deb
[ -f "$new" ] || { echo "run.sh: $new is missing: make deb" >&2; exit 66; }

passed=0 failed=0
check() {
    local what="$suite: $1"; shift
    if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok - $what"; else failed=$((failed + 1)); echo "not ok - $what"; fi
}
not() { ! "$@"; }
# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2; shift 2
    until "$@" >/dev/null 2>&1 || [ "$SECONDS" -ge "$end" ]; do sleep 0.3; done
    check "$what" "$@"
}

work=$(mktemp -d /var/tmp/connmgr-deb.XXXXXX)
nspawn=
clean() {
    [ -z "$nspawn" ] || { kill "$nspawn" && wait "$nspawn"; }
    rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

# base SUITE: $base, a root with systemd and what the package depends on, made once.
base() {
    base=artifacts/test-deb/$1
    [ ! -e "$base/.ready" ] || return 0
    rm -rf "$base"; mkdir -p "$base"
    local mirror
    mirror=$(sed -n 's/^URIs: \([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep debian | sed 1q)
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,iptables,procps,man-db,bash-completion "$1" "$base" \
        "${mirror:-http://deb.debian.org/debian}" >"$work/debootstrap" 2>&1 || { tail -5 "$work/debootstrap" >&2; exit 1; }
    rm -f "$base"/var/cache/apt/archives/*.deb
    touch "$base/.ready"
}

# boot: starts $root with its systemd. init: the process that is its init, as this machine numbers it.
boot() {
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -D "$root" -b --private-network --register=no --keep-unit --console=read-only \
        --machine="connmgr-deb-$suite" </dev/null >"$work/console.$suite" 2>&1 &
    nspawn=$!
    wait_for 60 "${1:-it boots}" is_up
}
init() { pgrep -P "$nspawn" | while read -r pid; do [ "$(cat "/proc/$pid/comm")" != systemd ] || echo "$pid"; done | sed 1q; }
# within COMMAND...
within() {
    local pid
    pid=$(init)
    [ -n "$pid" ] && nsenter -t "$pid" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}
is_up() { within systemctl is-active multi-user.target; }
# dpkg keeps what it says in $work/said.
dpkg_within() { within dpkg "$@" >"$work/said" 2>&1 </dev/null; }
says() { grep -qF -- "$1" "$work/said"; }
active() { within systemctl is-active --quiet connmgr; }
enabled() { within systemctl is-enabled --quiet connmgr; }
policy_is() {
    local tables hook
    for tables in iptables ip6tables; do
        for hook in INPUT OUTPUT FORWARD; do within "$tables" -S "$hook" | grep -qx -- "-P $hook $1" || return; done
    done
}
main_pid() { within systemctl show -p MainPID --value connmgr; }
# Its status may be 1: no link is confirmed, since there is no cloud here.
answers() { within connmgr status >"$work/status"; grep -q '^firewall' "$work/status"; }
# shellcheck disable=SC2016 # dpkg-query's
version_is() { [ "$(within dpkg-query -W -f '${Version}' connmgr)" = "$1" ]; }
links() {
    within ip link add enp7s0 type veth peer name far0 && within ip link set far0 up && within ip link set enp7s0 up &&
        within ip address add 198.18.0.2/24 dev enp7s0 && within ip route add default via 198.18.0.1 &&
        within ip link add enp8s0 type veth peer name far1 && within ip link set enp8s0 up
}

life() {
    root=$work/$suite
    cp -a "$base" "$root"
    cp "$old" "$root/root/old.deb"; cp "$new" "$root/root/new.deb"
    boot
    check "it has an Ethernet called enp7s0" links
    within mkdir -p /usr/lib/af-conn
    within sh -c 'printf "#!/bin/sh\nexit 6\n" >/usr/lib/af-conn/net_capabilities; chmod +x /usr/lib/af-conn/net_capabilities'

    check "install" dpkg_within -i /root/old.deb
    check "install: what it would do is said" says 'it would LOCK this machine'
    check "install: nothing is started" not active
    check "install: nothing is enabled" not enabled
    check "install: nothing is locked" policy_is ACCEPT
    check "install: the interface is proposed" within grep -q "^ETH_INTERFACE_0='enp7s0'" /etc/af-conn/netif_names
    check "install: which is said" says "ETH_INTERFACE_0='enp7s0'"
    check "install: no interface that is not there" not says wlan0
    check "install: the second port, and how to add it" says "not managed unless you add it: ETH_INTERFACE_1='enp8s0'"
    check "install: connmgr check finds nothing wrong" within connmgr check
    check "install: an implementer's net_capabilities is kept" within grep -qx 'exit 6' /usr/lib/af-conn/net_capabilities
    check "install: ours is beside it" within test -x /usr/lib/af-conn/net_capabilities.connmgr
    check "install: which is said" says 'net_capabilities is not ours and is kept'
    check "install: manual pages" within sh -c 'man -w connmgr && man -w netif_names && man -w connmgr-whitelist'
    # shellcheck disable=SC2016 # within's
    check "install: bash completes" within bash -c '. /usr/share/bash-completion/completions/connmgr &&
        COMP_WORDS=(connmgr stat) COMP_CWORD=1 && _connmgr && [ "${COMPREPLY[*]}" = status ]'
    check "install: /usr/bin/connmgr" within /usr/bin/connmgr --version

    # One that ends at once: nothing of it, and of its timer, may be left.
    within sh -c 'echo : >/etc/af-conn/firewall.user'
    check "start: systemctl enable --now" within systemctl enable --now connmgr
    wait_for 20 "start: it answers" answers
    check "start: boot_lockdown.sh leaves no process behind" not within sh -c 'journalctl -u connmgr | grep left-over'
    check "start: it manages the proposed interface" grep -q '^enp7s0' "$work/status"
    check "start: the machine is locked" policy_is DROP
    check "start: the implementer's script tells the capabilities" within grep -qx 'exit 6' /usr/lib/af-conn/net_capabilities

    # For node_exporter, as docs/operations.md says.
    within sh -c 'mkdir -p /var/lib/prometheus/node-exporter && cp /usr/share/doc/connmgr/examples/connmgr-metrics.* /etc/systemd/system/ &&
        systemctl daemon-reload'
    check "metrics: the service writes them" within systemctl start connmgr-metrics.service
    check "metrics: they are there" within grep -q '^connmgr_uptime_seconds ' /var/lib/prometheus/node-exporter/connmgr.prom
    check "metrics: the timer" within systemctl enable --now connmgr-metrics.timer
    within systemctl disable --now connmgr-metrics.timer
    within sh -c 'rm -r /etc/systemd/system/connmgr-metrics.* /var/lib/prometheus && systemctl daemon-reload'
    check "wait-online: its unit holds back network-online.target" within systemctl enable connmgr-wait-online
    check "wait-online: it does" within sh -c 'systemctl list-dependencies --plain network-online.target | grep -q connmgr-wait-online'
    within systemctl disable connmgr-wait-online

    # What the administrator changes stays.
    within sh -c "sed -i \"s/^CONNMGR_OPTIONS=.*/CONNMGR_OPTIONS='--idle 77'/\" /etc/default/connmgr; echo mine.example >>/etc/af-conn/whitelist"
    before=$(main_pid)
    check "upgrade" dpkg_within -i --force-confold /root/new.deb
    check "upgrade: to version $version" version_is "$version"
    wait_for 20 "upgrade: it answers" answers
    check "upgrade: it is a new process" test "$(main_pid)" != "$before"
    check "upgrade: with the administrator's options" within sh -c "tr '\0' ' ' </proc/$(main_pid)/cmdline | grep -q -- '--idle 77'"
    check "upgrade: whitelist and names are kept" within sh -c "grep -qx mine.example /etc/af-conn/whitelist && grep -q enp7s0 /etc/af-conn/netif_names"
    check "upgrade: the implementer's script is kept" within grep -qx 'exit 6' /usr/lib/af-conn/net_capabilities
    check "upgrade: our other scripts are new" within cmp /usr/lib/af-conn/switch_route.sh /root/switch_route.sh
    check "upgrade: it is still locked" policy_is DROP
    check "upgrade: it is still enabled" enabled

    # A reboot: nspawn ends with 133. The next one gives the root a fresh network namespace, open until boot_lockdown.sh has run.
    within systemctl reboot
    wait "$nspawn"
    check "reboot: it goes down" test $? = 133
    boot "reboot: it comes up"
    wait_for 20 "reboot: the daemon answers" answers
    check "reboot: the machine is locked" policy_is DROP
    check "reboot: the lockdown came before the network" within sh -c 'systemctl show -p Before --value connmgr | grep -q network-pre.target'

    within sh -c "sed -i \"s/^CONNMGR_OPTIONS=.*/CONNMGR_OPTIONS='--nonsense'/\" /etc/default/connmgr"
    within systemctl restart connmgr
    wait_for 20 "wrong options: the unit fails" within systemctl is-failed --quiet connmgr
    check "wrong options: connmgr check finds them" not within connmgr check
    check "wrong options: it is not started again" test "$(within systemctl show -p NRestarts --value connmgr)" = 0
    check "wrong options: the machine stays locked" policy_is DROP
    within sh -c "sed -i \"s/^CONNMGR_OPTIONS=.*/CONNMGR_OPTIONS=''/\" /etc/default/connmgr"
    check "right options: it starts" within systemctl start connmgr
    wait_for 20 "right options: it answers" answers

    check "remove" dpkg_within -r connmgr
    check "remove: the daemon is gone" not within pgrep -x connmgr
    check "remove: the machine is unlocked" policy_is ACCEPT
    check "remove: no chain of ours is left" not within sh -c '{ iptables -S; ip6tables -S; } | grep AFERO'
    check "remove: the run directory is gone" not within test -e /run/connmgr
    check "remove: configuration is kept" within grep -qx mine.example /etc/af-conn/whitelist
    check "remove: the implementer's script is kept" within grep -qx 'exit 6' /usr/lib/af-conn/net_capabilities
    check "remove: ours beside it is gone" not within test -e /usr/lib/af-conn/net_capabilities.connmgr
    check "remove: no diversion is left" test "$(within dpkg-divert --list '*af-conn*')" = ''
    check "remove: firewall.user is kept" within rm /etc/af-conn/firewall.user

    check "installed again" dpkg_within -i /root/new.deb
    check "installed again: the unit is not masked" within systemctl cat connmgr
    check "installed again: how to begin is said" says "systemctl enable --now connmgr"
    check "installed again: what is kept is said" says "netif_names is there already, and kept"
    check "installed again: nothing is started" not active
    check "installed again: it starts" within systemctl start connmgr
    check "installed again: removed" dpkg_within -r connmgr
    check "purge" dpkg_within -P connmgr
    check "purge: of us nothing is left" test "$(within find / -xdev \( -name '*connmgr*' -o -path '*af-conn/*' \) -not -path '/proc/*' -not -path '/root/*' \
        -not -path '/var/log/*' -not -path '/usr/lib/af-conn/net_capabilities')" = ''
    check "purge: no unit is left" not within systemctl cat connmgr

    check "a second life: install the new version" dpkg_within -i /root/new.deb
    check "a second life: nothing is started" not active
    check "a second life: systemd understands each line of the unit" not within sh -c 'journalctl -b | grep "connmgr.*Unknown key"'
    check "a second life: purge" dpkg_within -P connmgr

    kill "$nspawn" && wait "$nspawn"
    nspawn=
}

# As an image builder does it: in a root that is not booted.
image() {
    root=$work/$suite.image
    cp -a "$base" "$root"
    cp "$new" "$root/root/new.deb"
    check "image: install" chroot "$root" env DEBIAN_FRONTEND=noninteractive dpkg -i /root/new.deb
    check "image: the service is enabled" test -L "$root/etc/systemd/system/multi-user.target.wants/connmgr.service"
    check "image: the names are the defaults" grep -qx "ETH_INTERFACE_0='eth0'" "$root/etc/af-conn/netif_names"
    boot "image: it boots"
    wait_for 20 "image: the daemon answers" answers
    check "image: the device is locked from its first boot" policy_is DROP
    kill "$nspawn" && wait "$nspawn"
    nspawn=
}

# The version before: ours with an older number and an older script.
suite=deb
old=artifacts/connmgr_0.1.99_$arch.deb
mkdir "$work/previous"
git archive HEAD | tar -xC "$work/previous"
ln -s "$PWD/artifacts" "$work/previous/artifacts"
echo '# as it was' >>"$work/previous/scripts/switch_route.sh"
check "the version before is made" env SOURCE_DATE_EPOCH=0 VERSION=0.1.99 "$work/previous/packaging/deb.sh" "$arch"
if command -v lintian >/dev/null; then
    for deb in artifacts/connmgr_"$version"_*.deb; do check "lintian finds no error in $deb" lintian --fail-on error "$deb"; done
fi

[ $# -gt 0 ] || set -- bookworm trixie
for suite; do
    base "$suite"
    cp scripts/switch_route.sh "$base/root/switch_route.sh"
    life
    image
    rm -rf --one-file-system "${work:?}/$suite" "${work:?}/$suite.image"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
