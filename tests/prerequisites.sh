#!/bin/sh
# prerequisites.sh [--check] [vm|deb|luci|fuzz|bench]: installs what building and testing need on Debian 12 and later (root). With "vm"
# also what a virtual machine needs, with "deb" what the tests of the Debian package need, with "luci" a browser, with "fuzz" AFL++,
# with "bench" the peers. --check installs nothing: it names what is missing, exit status 1. The .NET SDK is never installed.
set -eu

check=
[ "${1-}" != --check ] || { check=1; shift; }
command -v dotnet >/dev/null || { echo "prerequisites.sh: the .NET 10 SDK is missing: https://dot.net" >&2; exit 1; }

# program:package
needed='gcc:gcc ld.lld:lld clang:clang git:git ip:iproute2 iptables:iptables ipset:ipset dnsmasq:dnsmasq-base busybox:busybox
    shellcheck:shellcheck nsenter:util-linux ping:iputils-ping pgrep:procps conntrack:conntrack nft:nftables setpriv:util-linux
    socat:socat dhcpcd:dhcpcd-base udhcpc:udhcpc dhclient:isc-dhcp-client tmux:tmux strace:strace python3:python3 unbound:unbound
    qemu-aarch64-static:qemu-user-static xz:xz-utils wireguard-go:wireguard-go wg:wireguard-tools curl:curl
    dbus-daemon:dbus-daemon'
[ "${1-}" != vm ] || needed="$needed qemu-system-aarch64:qemu-system-arm cpio:cpio"
[ "${1-}" != luci ] || needed="$needed chromium:chromium"
[ "${1-}" != fuzz ] || needed="$needed afl-fuzz:afl++"
[ "${1-}" != bench ] || needed="$needed NetworkManager:network-manager keepalived:keepalived"
[ "${1-}" != deb ] || needed="$needed debootstrap:debootstrap systemd-nspawn:systemd-container lintian:lintian"
packages=
for entry in $needed; do
    command -v "${entry%%:*}" >/dev/null || [ -x "/usr/sbin/${entry%%:*}" ] || packages="$packages ${entry#*:}"
done

# Headers have no program to look for.
[ -e /usr/include/stdio.h ] || packages="$packages libc6-dev"
[ -e /usr/include/linux/if_tun.h ] || packages="$packages linux-libc-dev"

# cross TRIPLE ARCH: a compiler and headers for each machine that we build or check for. The host's own compiler is gcc.
cross() {
    command -v "$1-gcc" >/dev/null || packages="$packages gcc-$(echo "$1" | tr _ -)"
    [ -e "/usr/$1/include/stdio.h" ] || packages="$packages libc6-dev-$2-cross"
}
machine=$(uname -m)
[ "$machine" = x86_64 ] || cross x86_64-linux-gnu amd64
[ "$machine" = aarch64 ] || cross aarch64-linux-gnu arm64
case $machine in armv*) ;; *) cross arm-linux-gnueabihf armhf ;; esac

# The fuzzer's runtime has to be of clang's own version: another release of Debian has another package. Without clang, both are
# the release's default.
if [ -z "$(find /usr/lib -name 'libclang_rt.fuzzer*.a' -print -quit 2>/dev/null)" ]; then
    version=$(clang -dumpversion 2>/dev/null) && packages="$packages libclang-rt-${version%%.*}-dev" ||
        packages="$packages libclang-rt-dev"
fi
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || packages="$packages python3-jsonschema"
# Resolvers and what they need are unpacked beside the tests (4 MB): installed, they would take over this machine's
# resolv.conf. Their tests (68, 235, 236) are skipped without them.
beside=$(dirname "$0")/../artifacts/lab unpacked=
for package in openresolv resolvconf systemd-resolved network-manager libnm0 libndp0; do
    [ -n "$check" ] || [ -d "$beside/$package" ] || unpacked="$unpacked $package"
done
# So are name servers (6 MB, 11 MB for trixie), with what they need and this machine lacks. Test 169 plays less without them.
servers='bind9 pdns-recursor knot-resolver'
[ -z "$check" ] && [ ! -d "$beside/name-servers" ] || servers=
[ -n "$packages$unpacked$servers" ] || exit 0

if [ -n "$check" ]; then
    echo "prerequisites.sh: missing:$packages. Run: make setup" >&2
    exit 1
fi
[ "$(id -u)" = 0 ] || { echo "prerequisites.sh: run as root, or install:$packages" >&2; exit 77; }
echo "installing$packages$unpacked $servers"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Packages of servers start them, unless policy forbids: none is wanted but in the lab.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086 # a list
[ -z "$packages" ] || apt-get install -y -qq --no-install-recommends $packages >/dev/null

# unpack TREE PACKAGE...
unpack() {
    unpack_tree=$beside/$1
    shift
    work=$(mktemp -d)
    (cd "$work" && apt-get download -qq "$@" >/dev/null && for file in *.deb; do dpkg -x "$file" tree; done)
    mkdir -p "$beside"
    rm -rf "$unpack_tree.new"
    cp -a "$work/tree" "$unpack_tree.new"
    mv "$unpack_tree.new" "$unpack_tree"
    rm -rf "$work"
}
for package in $unpacked; do unpack "$package" "$package"; done
if [ -n "$servers" ]; then
    # A release of Debian may lack one of them. Nothing here needs an init.
    for package in $servers; do apt-cache show "$package" >/dev/null 2>&1 || servers=$(echo " $servers " | sed "s/ $package / /"); done
    # shellcheck disable=SC2046,SC2086 # lists
    unpack name-servers $(apt-get install -s --no-install-recommends $servers | sed -n 's/^Inst \([^ ]*\).*/\1/p' |
        grep -vE '^(systemd|libsystemd-shared|dbus|udev|libpam|libapparmor|adduser|publicsuffix|bind9-utils|libsnmp-base)')
fi
