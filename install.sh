#!/bin/sh
# install.sh EXECUTABLE DESTDIR prod|dev openwrt|systemd|sysvinit|none: puts connmgr below DESTDIR as a device has it: the executable,
# its scripts, whitelist and interface names, and what the init system needs; with LUCI=1 also the views for OpenWrt's LuCI.
#
# Files of others are kept, and it says so: packaging/merge.sh has the rules.
set -euf

[ $# = 4 ] || { sed -n '2s/^# \([^:]*\):.*/usage: \1/p' "$0" >&2; exit 64; }
executable=$1 root=${2%/} deployment=$3 init=$4
here=$(cd "$(dirname "$0")" && pwd)
case $deployment in
    prod | dev) ;;
    *) echo "install.sh: DEPLOYMENT is prod or dev, not '$deployment'" >&2; exit 64 ;;
esac
case $init in
    openwrt | systemd | sysvinit | none) ;;
    *) echo "install.sh: INIT is openwrt, systemd, sysvinit or none, not '$init'" >&2; exit 64 ;;
esac
[ -f "$executable" ] || { echo "install.sh: $executable is missing: ./build.sh makes it" >&2; exit 66; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
# put MODE SOURCE TARGET
put() { install -D -m "$1" "$2" "$work/tree$3"; }
tree() { mkdir -p "$work/tree$1"; }

put 755 "$executable" /usr/sbin/connmgr
for name in init_firewall.sh fwcfg.sh switch_route.sh boot_lockdown.sh get_netif_names net_capabilities \
    propose_netif_names resolv_conf.sh flush_dns.sh; do
    put 755 "$here/scripts/$name" "/usr/lib/af-conn/$name"
done
# What the firewall scripts source.
for name in firewall_functions firewall_policy firewall_nft firewall_iptables; do
    put 644 "$here/scripts/$name" "/usr/lib/af-conn/$name"
done
put 644 "$here/whitelist/whitelist.$deployment" /etc/af-conn/whitelist
put 644 "$here/scripts/netif_names" /etc/af-conn/netif_names
tree /etc/connmgr.d

# The development cloud has an echo service of its own.
options() {
    if [ "$deployment" = dev ]; then sed "$2" "$1" >"$work/options"; else cp "$1" "$work/options"; fi
    put 644 "$work/options" "$3"
}
dev_options="s/^CONNMGR_OPTIONS=.*/CONNMGR_OPTIONS='--echo echo.dev.afero.io:80'/"
case $init in
    openwrt)
        put 755 "$here/scripts/openwrt/connmgr.init" /etc/init.d/connmgr
        put 755 "$here/scripts/openwrt/connmgr.rpcd" /usr/libexec/rpcd/connmgr
        put 644 "$here/scripts/openwrt/connmgr.capabilities" /etc/capabilities/connmgr.json
        put 644 "$here/scripts/openwrt/connmgr.acl.json" /usr/share/rpcd/acl.d/connmgr.json
        put 644 "$here/scripts/openwrt/connmgr.keep" /lib/upgrade/keep.d/connmgr
        put 755 "$here/scripts/openwrt/tell-openwrt" /etc/connmgr.d/tell-openwrt
        tree /etc/hotplug.d/connmgr
        # The views for LuCI: LUCI=1. As its build does it, htdocs becomes /www, and root the root.
        if [ "${LUCI:-0}" = 1 ]; then
            luci=$here/scripts/openwrt/luci-app-connmgr
            for part in htdocs:/www root:; do
                (cd "$luci/${part%%:*}" && find . -type f) >"$work/luci"
                while IFS= read -r file; do put 644 "$luci/${part%%:*}/${file#./}" "${part#*:}/${file#./}"; done <"$work/luci"
            done
        fi
        # For the package's postinst.
        put 644 "$here/packaging/known-files.sha256" /usr/share/connmgr/known-files.sha256
        options "$here/scripts/openwrt/connmgr.config" "s/^#\(.*\)'echo\.afero\.io:80'/\1'echo.dev.afero.io:80'/" /etc/config/connmgr
        ;;
    systemd)
        put 644 "$here/scripts/systemd/connmgr.service" /usr/lib/systemd/system/connmgr.service
        put 644 "$here/scripts/systemd/connmgr-wait-online.service" /usr/lib/systemd/system/connmgr-wait-online.service
        options "$here/scripts/connmgr.default" "$dev_options" /etc/default/connmgr
        ;;
    sysvinit)
        put 755 "$here/scripts/sysvinit/connmgr" /etc/init.d/connmgr
        options "$here/scripts/connmgr.default" "$dev_options" /etc/default/connmgr
        ;;
    none)
        [ "$deployment" != dev ] || echo "install.sh: start connmgr with --echo echo.dev.afero.io: DEPLOYMENT=dev asks the development cloud" >&2
        ;;
esac

# The manuals, where there is something that reads them; packaging/manuals.sh makes them.
manuals=$here/artifacts/manuals
case $init in
    systemd | sysvinit)
        if [ -d "$manuals" ]; then
            for page in connmgr.8 netif_names.5 connmgr-whitelist.5; do put 644 "$manuals/man/$page" "/usr/share/man/man${page##*.}/$page"; done
            put 644 "$manuals/completions/connmgr.bash" /usr/share/bash-completion/completions/connmgr
            put 644 "$manuals/completions/_connmgr" /usr/share/zsh/vendor-completions/_connmgr
            put 644 "$manuals/completions/connmgr.fish" /usr/share/fish/vendor_completions.d/connmgr.fish
        fi ;;
esac
put 644 "$here/LICENSE" /usr/share/doc/connmgr/LICENSE
put 644 "$here/THIRD-PARTY-NOTICES.md" /usr/share/doc/connmgr/THIRD-PARTY-NOTICES.md

"$here/packaging/merge.sh" "$work/tree" "$root"
