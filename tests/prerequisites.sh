#!/bin/sh
# prerequisites.sh [vm]: installs what building and testing need on Debian, unless it is there; with "vm" also what a virtual
# machine needs. The .NET SDK it only looks for.
set -eu

command -v dotnet >/dev/null || { echo "prerequisites.sh: the .NET 10 SDK is missing: https://dot.net" >&2; exit 1; }

# program:package
needed='gcc:gcc ld.lld:lld clang:clang ip:iproute2 iptables:iptables ipset:ipset dnsmasq:dnsmasq-base busybox:busybox
    shellcheck:shellcheck nsenter:util-linux ping:iputils-ping pgrep:procps conntrack:conntrack nft:nftables setpriv:util-linux
    socat:socat dhcpcd:dhcpcd-base udhcpc:udhcpc dhclient:isc-dhcp-client tmux:tmux python3:python3 unbound:unbound
    qemu-aarch64-static:qemu-user-static aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
    arm-linux-gnueabihf-gcc:gcc-arm-linux-gnueabihf xz:xz-utils'
[ "${1-}" != vm ] || needed="$needed qemu-system-aarch64:qemu-system-arm cpio:cpio"
packages=
for entry in $needed; do
    command -v "${entry%%:*}" >/dev/null || [ -x "/usr/sbin/${entry%%:*}" ] || packages="$packages ${entry#*:}"
done
# Headers and sanitizer runtimes are no programs.
[ -e /usr/include/stdio.h ] || packages="$packages libc6-dev"
[ -e /usr/aarch64-linux-gnu/include/stdio.h ] || packages="$packages libc6-dev-arm64-cross"
[ -e /usr/arm-linux-gnueabihf/include/stdio.h ] || packages="$packages libc6-dev-armhf-cross"
[ -e /usr/include/linux/if_tun.h ] || packages="$packages linux-libc-dev"
[ -n "$(find /usr/lib -name 'libclang_rt.fuzzer-*.a' -print -quit 2>/dev/null)" ] || packages="$packages libclang-rt-14-dev"
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || packages="$packages python3-jsonschema"
[ -n "$packages" ] || exit 0

[ "$(id -u)" = 0 ] || { echo "prerequisites.sh: run as root, or install:$packages" >&2; exit 77; }
echo "installing$packages"
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
apt-get install -y -qq --no-install-recommends $packages >/dev/null
