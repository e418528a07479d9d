# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# The OpenWrt package's scripts keep an implementer's files. The test plays the package manager.

# control SCRIPT: prints the expansion of `define Package/connmgr/SCRIPT` in the Makefile.
control() {
    sed -n "/^define Package\/connmgr\/$1\$/,/^endef/p" "$repo/scripts/openwrt/Makefile" | sed '1d;$d;s/\$\$/$/g' >"$work/$1"
    CONNMGR_ROOT=$device $shell "$work/$1" >"$work/said" 2>&1
}
# unpack, delete: the package manager's own steps.
unpack() { cp -a "$work/files/." "$device/"; }
delete() { (cd "$work/files" && find . -type f) | (cd "$device" && xargs rm -f); }
in_device() { grep -qx -- "$2" "$device/usr/lib/af-conn/$1"; }
is_ours_there() { cmp -s "$repo/scripts/$1" "$device/usr/lib/af-conn/${2:-$1}"; }
leftovers() { find "$device" -name '*.kept' -o -path "$device/tmp/*"; }

printf '#!/bin/sh\n' >"$work/program"
"$repo/install.sh" "$work/program" "$work/files" prod openwrt
for shell in dash 'busybox ash'; do
    device=$work/device
    rm -rf "$device"; mkdir -p "$device/tmp" "$device/usr/lib/af-conn"
    echo 'exit 2' >"$device/usr/lib/af-conn/net_capabilities"
    echo 'theirs' >"$device/usr/lib/af-conn/wancontrol"
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

    check "ipk: $shell: prerm" control prerm
    delete
    check "ipk: $shell: postrm" control postrm
    check "ipk: $shell: removed: his and theirs are left" test "$(cd "$device" && find usr/lib -type f | LC_ALL=C sort | paste -sd' ')" = \
        'usr/lib/af-conn/net_capabilities usr/lib/af-conn/wancontrol'
    check "ipk: $shell: removed: his is unchanged" in_device net_capabilities 'exit 2'
done
