# shellcheck shell=sh disable=SC2154,SC2016 # sourced by run.sh; stand-ins are in quotes
# The OpenWrt package's scripts keep an implementer's files. The test plays the package manager.

# control SCRIPT [NAME=VALUE...]: prints the expansion of `define Package/connmgr/SCRIPT` in the Makefile, and runs it.
control() {
    sed -n "/^define Package\/connmgr\/$1\$/,/^endef/p" "$repo/scripts/openwrt/Makefile" | sed '1d;$d;s/\$\$/$/g' >"$work/$1"
    script=$work/$1; shift
    # shellcheck disable=SC2086 # busybox ash
    env CONNMGR_ROOT="$device" PATH="$work/bin:$PATH" "$@" $shell "$script" >"$work/said" 2>&1
}
# unpack, delete: the package manager's own steps. What the scripts call only notes it.
unpack() {
    cp -a "$work/files/." "$device/"
    mkdir -p "$device/etc/init.d" "$device/usr/libexec/rpcd"
    printf '#!/bin/sh\necho "init $1" >>"%s"\n' "$work/calls" >"$device/etc/init.d/connmgr"
    printf '#!/bin/sh\necho "rpcd $1" >>"%s"\n' "$work/calls" >"$device/etc/init.d/rpcd"
    printf '#!/bin/sh\necho "plugin $2" >>"%s"\necho '"'"'{"unlocked":true,"said":""}'"'"'\n' "$work/calls" >"$device/usr/libexec/rpcd/connmgr"
    chmod 755 "$device/etc/init.d/connmgr" "$device/etc/init.d/rpcd" "$device/usr/libexec/rpcd/connmgr"
}
delete() { (cd "$work/files" && find . -type f) | (cd "$device" && xargs rm -f); }
called() { grep -qx "$1" "$work/calls"; }
# The order of opkg-lede (October 2024): the old package's prerm, the new one's preinst, the old one's postrm; then opkg
# deletes the old files and unpacks the new ones; the new one's postinst; then OpenWrt's library starts the service.
upgrade_by_opkg() {
    control prerm PKG_UPGRADE=1 && control preinst PKG_UPGRADE=1 && control postrm PKG_UPGRADE=1 && delete && unpack && control postinst PKG_UPGRADE=1
}
in_device() { grep -qx -- "$2" "$device/usr/lib/af-conn/$1"; }
is_ours_there() { cmp -s "$repo/scripts/$1" "$device/usr/lib/af-conn/${2:-$1}"; }
leftovers() { find "$device" -name '*.kept' -o -name kept -o -path "$device/tmp/*"; }

printf '#!/bin/sh\n' >"$work/program"
mkdir "$work/bin"
printf '#!/bin/sh\n[ -e "%s" ]\n' "$work/runs" >"$work/bin/pidof"; chmod 755 "$work/bin/pidof"
"$repo/install.sh" "$work/program" "$work/files" prod openwrt
for shell in dash 'busybox ash'; do
    device=$work/device
    rm -rf "$device"; mkdir -p "$device/tmp" "$device/usr/lib/af-conn"
    echo 'exit 2' >"$device/usr/lib/af-conn/net_capabilities"
    echo 'theirs' >"$device/usr/lib/af-conn/wancontrol"
    : >"$work/calls"; rm -f "$work/runs"
    check "ipk: $shell: preinst" control preinst
    unpack
    check "ipk: $shell: postinst" control postinst
    check "ipk: $shell: an implementer's script is kept" in_device net_capabilities 'exit 2'
    check "ipk: $shell: which is said" says 'net_capabilities is not ours and is kept'
    check "ipk: $shell: ours is beside it" is_ours_there net_capabilities net_capabilities.connmgr
    check "ipk: $shell: the others are ours" is_ours_there fwcfg.sh
    check "ipk: $shell: what is not ours at all is left alone" in_device wancontrol theirs
    check "ipk: $shell: nothing is left over" test "$(leftovers)" = ''

    # An upgrade with a script of the previous version, which is in its manifest.
    echo '# before' >"$device/usr/lib/af-conn/fwcfg.sh"
    echo "$(sha256sum <"$device/usr/lib/af-conn/fwcfg.sh" | cut -d' ' -f1)  usr/lib/af-conn/fwcfg.sh" >>"$device/usr/share/connmgr/manifest.sha256"
    check "ipk: $shell: upgrade: preinst" control preinst
    unpack
    check "ipk: $shell: upgrade: postinst" control postinst
    check "ipk: $shell: upgrade: ours is replaced" is_ours_there fwcfg.sh
    check "ipk: $shell: upgrade: his is kept" in_device net_capabilities 'exit 2'
    check "ipk: $shell: upgrade: nothing is left over" test "$(leftovers)" = ''

    check "ipk: $shell: no daemon runs, none is restarted" not called 'init restart'

    # The power fails before postinst: the manifest is already ours, and the next installation repeats all steps.
    control preinst
    unpack
    check "ipk: $shell: interrupted: preinst again" control preinst
    unpack
    control postinst
    check "ipk: $shell: interrupted: his is kept" in_device net_capabilities 'exit 2'
    check "ipk: $shell: interrupted: nothing is left over" test "$(leftovers)" = ''

    check "ipk: $shell: upgrade by opkg" upgrade_by_opkg
    check "ipk: $shell: upgrade by opkg: his is kept" in_device net_capabilities 'exit 2'
    check "ipk: $shell: upgrade by opkg: ours is beside it" is_ours_there net_capabilities net_capabilities.connmgr
    check "ipk: $shell: upgrade by opkg: theirs is left alone" in_device wancontrol theirs
    check "ipk: $shell: upgrade by opkg: the lockdown is left alone" not called 'plugin unlock'
    check "ipk: $shell: upgrade by opkg: nothing is left over" test "$(leftovers)" = ''
    # The prerm and postrm of an older package put ours and his back in an upgrade, too.
    mv "$device/usr/lib/af-conn/net_capabilities" "$device/usr/lib/af-conn/net_capabilities.kept"
    mv "$device/usr/lib/af-conn/net_capabilities.connmgr" "$device/usr/lib/af-conn/net_capabilities"
    control preinst PKG_UPGRADE=1
    mv "$device/usr/lib/af-conn/net_capabilities.kept" "$device/usr/lib/af-conn/net_capabilities"
    delete; unpack
    control postinst PKG_UPGRADE=1
    check "ipk: $shell: upgrade of an older package: his is kept" in_device net_capabilities 'exit 2'
    check "ipk: $shell: upgrade of an older package: ours is beside it" is_ours_there net_capabilities net_capabilities.connmgr

    # apk-tools 3 runs preinst and postinst alone; OpenWrt's library has started the service before postinst.
    : >"$work/calls"; : >"$work/runs"
    control preinst PKG_UPGRADE=1
    unpack
    check "apk: $shell: upgrade: postinst" control postinst PKG_UPGRADE=1
    check "apk: $shell: upgrade: his is kept" in_device net_capabilities 'exit 2'
    check "apk: $shell: upgrade: the daemon that runs is restarted" called 'init restart'

    : >"$work/calls"
    check "ipk: $shell: prerm" control prerm PKG_UPGRADE=0
    check "ipk: $shell: removed: no locked device is left behind" called 'plugin unlock'
    delete
    printf '#!/bin/sh\necho "rpcd $1" >>"%s"\n' "$work/calls" >"$device/etc/init.d/rpcd"
    chmod 755 "$device/etc/init.d/rpcd"
    check "ipk: $shell: postrm" control postrm PKG_UPGRADE=0
    check "ipk: $shell: removed: rpcd forgets the plugin" called 'rpcd reload'
    check "ipk: $shell: removed: his and theirs are left" test "$(cd "$device" && find usr/lib -type f | LC_ALL=C sort | paste -sd' ')" = \
        'usr/lib/af-conn/net_capabilities usr/lib/af-conn/wancontrol'
    check "ipk: $shell: removed: his is unchanged" in_device net_capabilities 'exit 2'
done
