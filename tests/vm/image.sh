#!/bin/sh
# image.sh DIR: makes DIR/kernel and DIR/initramfs, what the virtual machine boots: Debian's arm64 kernel with the modules of
# netfilter and virtio, BusyBox without awk, nft, and on top the drop-in as an image builder would unpack it. The packages are fetched
# into DIR/packages, unless they are there; the machine's own package database is not touched.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=${here%/tests/vm}
dir=$1
root=$dir/root

fetch() {
    mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
    : >"$dir/apt/status"
    cat >"$dir/apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$dir/apt/state";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt/cache";
END
    export APT_CONFIG="$dir/apt/apt.conf"
    apt-get update -qq
    kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
    mkdir -p "$dir/fetching"
    # With what they depend on; the kernel's own dependencies (an initramfs of its own) are none of ours.
    apt-get install -y -qq --download-only nftables busybox-static >/dev/null
    mv "$dir"/apt/cache/archives/*.deb "$dir/fetching/"
    (cd "$dir/fetching" && apt-get download -qq "$kernel")
    mv "$dir/fetching" "$dir/packages"
    rm -rf "$dir/apt"
}

# What an older version of this script has fetched had no nft.
ls "$dir"/packages/nftables_*.deb >/dev/null 2>&1 || { rm -rf "$dir/packages"; fetch; }
rm -rf "$root" "$dir/unpacked"
mkdir -p "$dir/unpacked" "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/var" "$root/lib/modules"
for package in "$dir"/packages/*.deb; do
    dpkg -x "$package" "$dir/unpacked"
done
from=$dir/unpacked
cp "$from"/boot/vmlinuz-* "$dir/kernel"

version=$(ls "$from/lib/modules")
for part in net/netfilter net/ipv4/netfilter net/ipv6/netfilter net/bridge/netfilter net/bridge/bridge.ko net/802 net/llc \
    net/core/failover.ko drivers/virtio drivers/net/virtio_net.ko drivers/net/net_failover.ko lib/libcrc32c.ko crypto/crc32c_generic.ko net/ipv4/tcp_diag.ko net/ipv4/udp_diag.ko net/ipv4/inet_diag.ko; do
    mkdir -p "$root/lib/modules/$version/kernel/${part%/*}"
    cp -r "$from/lib/modules/$version/kernel/$part" "$root/lib/modules/$version/kernel/${part%/*}/"
done
cp "$from/lib/modules/$version"/modules.builtin* "$from/lib/modules/$version/modules.order" "$root/lib/modules/$version/"
busybox depmod -b "$root" "$version"

cp "$from/bin/busybox" "$root/bin/"
cp -r "$from/lib/aarch64-linux-gnu" "$from/lib/ld-linux-aarch64.so.1" "$root/lib/"
mkdir -p "$root/usr/lib/aarch64-linux-gnu" "$root/usr/sbin"
cp -a "$from"/usr/lib/aarch64-linux-gnu/lib* "$root/usr/lib/aarch64-linux-gnu/"
cp "$from/usr/sbin/nft" "$root/usr/sbin/"
rm -rf "$root"/lib/aarch64-linux-gnu/gconv "$from"

tar -xJf "$repo/artifacts/connmgr-arm64-prod.tar.xz" -C "$root"
install -m 755 "$here/init" "$root/init"
# What stands in for OpenWrt's own, and the lab's services.
install -m 755 "$repo/tests/openwrt/rc.common" "$root/etc/rc.common"
cp "$here/connmgr.config" "$root/etc/config/connmgr"
echo "*.fresh.example" >"$root/etc/af-conn/whitelist"
aarch64-linux-gnu-gcc -std=c11 -O2 -o "$root/bin/labtool" "$repo"/tests/netns/*.c
ln -s /run "$root/var/run"
: >"$root/etc/resolv.conf"
(cd "$root" && find . | cpio -o -H newc --quiet) | gzip -1 >"$dir/initramfs"
