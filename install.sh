#!/bin/sh
# install.sh EXECUTABLE DESTDIR prod|dev openwrt|systemd|none: puts connmgr below DESTDIR as a device has it: the executable, its scripts,
# whitelist and interface names, and what the init system needs. What somebody has changed in /etc is kept: ours goes
# beside it as NAME.new.
set -euf

[ $# = 4 ] || { sed -n '2s/^# \([^:]*\):.*/usage: \1/p' "$0" >&2; exit 64; }
executable=$1 root=${2%/} deployment=$3 init=$4
here=$(cd "$(dirname "$0")" && pwd)
case $deployment in
    prod | dev) ;;
    *) echo "install.sh: DEPLOYMENT is prod or dev, not '$deployment'" >&2; exit 64 ;;
esac
case $init in
    openwrt | systemd | none) ;;
    *) echo "install.sh: INIT is openwrt, systemd or none, not '$init'" >&2; exit 64 ;;
esac
[ -f "$executable" ] || { echo "install.sh: $executable is missing: ./build.sh makes it" >&2; exit 66; }

# put MODE SOURCE TARGET
put() { install -D -m "$1" "$2" "$root$3"; }
# configure SOURCE TARGET: unless there is another already.
configure() {
    if [ -e "$root$2" ] && ! cmp -s "$1" "$root$2"; then
        put 644 "$1" "$2.new"
        echo "install.sh: $root$2 is kept, ours is $root$2.new" >&2
    else
        put 644 "$1" "$2"
    fi
}

put 755 "$executable" /usr/sbin/connmgr
for script in init_firewall.sh fwcfg.sh switch_route.sh boot_lockdown.sh get_netif_names net_capabilities; do
    put 755 "$here/scripts/$script" "/usr/lib/af-conn/$script"
done
put 644 "$here/scripts/firewall_functions" /usr/lib/af-conn/firewall_functions
configure "$here/whitelist/whitelist.$deployment" /etc/af-conn/whitelist
configure "$here/scripts/netif_names" /etc/af-conn/netif_names
install -d "$root/etc/connmgr.d"
case $init in
    openwrt)
        put 755 "$here/scripts/openwrt/connmgr.init" /etc/init.d/connmgr
        put 755 "$here/scripts/openwrt/connmgr.rpcd" /usr/libexec/rpcd/connmgr
        put 644 "$here/scripts/openwrt/connmgr.capabilities" /etc/capabilities/connmgr.json
        configure "$here/scripts/openwrt/connmgr.config" /etc/config/connmgr
        ;;
    systemd) put 644 "$here/scripts/systemd/connmgr.service" /usr/lib/systemd/system/connmgr.service ;;
esac
