#!/bin/sh
# uninstall.sh DESTDIR: removes what install.sh put below DESTDIR, by its manifest. What is changed or not ours stays, and it says so. Below /
# it stops the daemon first, and unlocks the firewall, which would otherwise stay locked without anybody who opens it.
set -euf

[ $# = 1 ] || { sed -n '2s/^# \([^:]*\):.*/usage: \1/p' "$0" >&2; exit 64; }
root=${1%/}
manifest=/usr/share/connmgr/manifest.sha256
[ -f "$root$manifest" ] || { echo "uninstall.sh: $root$manifest is missing: not installed by make install" >&2; exit 66; }
say() { echo "uninstall.sh: $*" >&2; }

if [ -z "$root" ]; then
    if [ -d /run/systemd/system ]; then
        systemctl disable --now connmgr.service || say "the service did not stop"
    elif [ -x /etc/init.d/connmgr ]; then
        /etc/init.d/connmgr stop || say "the service did not stop"
        ! command -v update-rc.d >/dev/null || update-rc.d -f connmgr remove
        [ ! -x /etc/rc.common ] || /etc/init.d/connmgr disable
    fi
    if ! grep -q 'unlock' /usr/lib/af-conn/fwcfg.sh 2>/dev/null; then
        say "/usr/lib/af-conn/fwcfg.sh cannot unlock: the firewall stays as it is"
    elif ! /usr/lib/af-conn/fwcfg.sh unlock; then
        say "fwcfg.sh unlock failed: the firewall may still be locked. Nothing is removed: 'connmgr unlock' unlocks the device"
        exit 1
    else
        rm -rf /run/connmgr
    fi
fi

directories=$(sed -n 's/^# //p' "$root$manifest" | LC_ALL=C sort -r)
kept=
while read -r sum file; do
    path=$root/$file
    # Ours is beside it (merge.sh): the file itself is somebody else's, and not in the manifest.
    case $file in
        etc/*.new | usr/lib/af-conn/*.connmgr) [ ! -e "${path%.*}" ] || kept="$kept ${path%.*}" ;;
    esac
    [ -f "$path" ] || continue
    if [ "$(sha256sum <"$path" | cut -d' ' -f1)" = "$sum" ]; then
        rm -f "$path"
    else
        kept="$kept $path"
    fi
done <"$root$manifest"
[ ! -L "$root/usr/bin/connmgr" ] || [ "$(readlink "$root/usr/bin/connmgr")" != ../sbin/connmgr ] || rm -f "$root/usr/bin/connmgr"
rm -f "$root$manifest"
# What the administrator has made.
for path in "$root/etc/af-conn/firewall.user" "$root/etc/af-conn/flush_dns.user" "$root/usr/bin/connmgr.original"; do [ ! -e "$path" ] || kept="$kept $path"; done
for name in budget budget.old budget.bad budget.old.bad; do rm -f "$root/etc/af-conn/$name" "$root/var/lib/connmgr/$name"; done
for directory in usr/share/connmgr usr/share/doc/connmgr usr/lib/af-conn etc/af-conn etc/connmgr.d etc/capabilities var/lib/connmgr \
    www/luci-static/resources/connmgr www/luci-static/resources/view/connmgr; do
    rmdir "$root/$directory" 2>/dev/null || :
done
# Those that the installation made, where nothing of others is in them.
for directory in $directories; do rmdir "$root/$directory" 2>/dev/null || :; done
[ -z "$kept" ] || say "changed or not ours, and kept:$kept"
[ ! -d /run/systemd/system ] || [ -n "$root" ] || systemctl daemon-reload
