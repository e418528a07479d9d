#!/bin/sh
# install.sh EXECUTABLE DESTDIR prod|dev openwrt|systemd|sysvinit|none: puts connmgr below DESTDIR as a device has it: the executable,
# its scripts, whitelist and interface names, and what the init system needs.
#
# Files of others are kept, and it says so: a configuration that was changed (ours is NAME.new), a script in /usr/lib/af-conn that
# is not ours (ours is NAME.connmgr), an executable of the original (it becomes NAME.original). A file is ours if its sum is in the
# manifest of the last installation, or in packaging/known-files.sha256: a copy of ours with a change in it is not.
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

say() { echo "install.sh: $*" >&2; }
manifest=/usr/share/connmgr/manifest.sha256
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$here/packaging/known-files.sha256" >"$work/known"
[ ! -f "$root$manifest" ] || cat "$root$manifest" >>"$work/known"

sum_of() { sha256sum <"$1" | cut -d' ' -f1; }
record() { echo "${1#/}" >>"$work/files"; }
# is_foreign TARGET SOURCE: somebody else's file, and not by chance the same as ours.
is_foreign() {
    [ -e "$root$1" ] && ! cmp -s "$2" "$root$1" &&
        ! grep -qxF "$(sum_of "$root$1")  ${1#/}" "$work/known"
}

# put MODE SOURCE TARGET
put() {
    install -D -m "$1" "$2" "$root$3"
    record "$3"
}
# configure SOURCE TARGET
configure() {
    if is_foreign "$2" "$1"; then
        put 644 "$1" "$2.new"
        say "$root$2 is kept, ours is $root$2.new"
    else
        put 644 "$1" "$2"
    fi
}
# script MODE NAME
script() {
    target=/usr/lib/af-conn/$2
    if is_foreign "$target" "$here/scripts/$2"; then
        put "$1" "$here/scripts/$2" "$target.connmgr"
        say "$root$target is not ours and is kept, ours is $root$target.connmgr"
    else
        rm -f "$root$target.connmgr"
        put "$1" "$here/scripts/$2" "$target"
    fi
}

put 755 "$executable" /usr/sbin/connmgr
# The original's executable was /usr/bin/connmgr, and its watchers start that. Where /usr/sbin is /usr/bin, it is there already.
merged=$(readlink "$root/usr/sbin" || :)
if [ "${merged##*/}" != bin ]; then
    if [ -f "$root/usr/bin/connmgr" ] && [ ! -L "$root/usr/bin/connmgr" ]; then
        mv "$root/usr/bin/connmgr" "$root/usr/bin/connmgr.original"
        say "$root/usr/bin/connmgr was another program: it is connmgr.original now"
    fi
    install -d "$root/usr/bin"
    ln -sfn ../sbin/connmgr "$root/usr/bin/connmgr"
fi

for name in init_firewall.sh fwcfg.sh switch_route.sh boot_lockdown.sh get_netif_names net_capabilities \
    propose_netif_names; do script 755 "$name"; done
# What the firewall scripts source.
for name in firewall_functions firewall_policy firewall_nft firewall_iptables; do script 644 "$name"; done
configure "$here/whitelist/whitelist.$deployment" /etc/af-conn/whitelist
configure "$here/scripts/netif_names" /etc/af-conn/netif_names
install -d "$root/etc/connmgr.d"

# The development cloud has an echo service of its own.
options() {
    if [ "$deployment" = dev ]; then sed "$2" "$1" >"$work/options"; else cp "$1" "$work/options"; fi
    configure "$work/options" "$3"
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
        install -d "$root/etc/hotplug.d/connmgr"
        options "$here/scripts/openwrt/connmgr.config" "s/^#\(.*\)'echo\.afero\.io:80'/\1'echo.dev.afero.io:80'/" /etc/config/connmgr
        ;;
    systemd)
        put 644 "$here/scripts/systemd/connmgr.service" /usr/lib/systemd/system/connmgr.service
        options "$here/scripts/connmgr.default" "$dev_options" /etc/default/connmgr
        ;;
    sysvinit)
        put 755 "$here/scripts/sysvinit/connmgr" /etc/init.d/connmgr
        options "$here/scripts/connmgr.default" "$dev_options" /etc/default/connmgr
        ;;
    none)
        [ "$deployment" != dev ] || say "start connmgr with --echo echo.dev.afero.io: DEPLOYMENT=dev asks the development cloud"
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
LC_ALL=C sort "$work/files" | (cd "$root/" && xargs sha256sum) >"$work/manifest"
install -D -m 644 "$work/manifest" "$root$manifest"
