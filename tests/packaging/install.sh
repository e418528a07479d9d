# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# install.sh and uninstall.sh replace our files, keep those of others, and report that.

image=$work/image program=$work/program
printf '#!/bin/sh\necho program\n' >"$program"
install_image() { "$repo/install.sh" "$program" "$image" "${1:-prod}" "${2:-systemd}" 2>"$work/said"; }
script_is_ours() { cmp -s "$repo/scripts/$1" "$image/usr/lib/af-conn/${2:-$1}"; }
in_image() { grep -qF -- "$2" "$image$1"; }
absent() { [ ! -e "$image$1" ] && [ ! -L "$image$1" ]; }

check "install: into an empty image" install_image
check "install: nothing is said" test ! -s "$work/said"
check "install: /usr/bin/connmgr leads to the executable" test "$("$image/usr/bin/connmgr")" = program
check "install: every file is in the manifest, with its sum" sh -c "cd '$image' && sha256sum -c --quiet usr/share/connmgr/manifest.sha256 &&
    [ \"\$(find . -type f ! -name manifest.sha256 | wc -l)\" = \"\$(grep -vc '^# ' usr/share/connmgr/manifest.sha256)\" ]"
check "install: the license comes with it" in_image /usr/share/doc/connmgr/LICENSE 'MIT License'

# An implementer's files: one of another origin, and a copy of ours with an extra line.
echo 'exit 2' >"$image/usr/lib/af-conn/net_capabilities"
echo '# mine' >>"$image/usr/lib/af-conn/switch_route.sh"
echo '# mine' >>"$image/usr/lib/af-conn/init_firewall.sh"
check "install: over an implementer's scripts" install_image
for name in net_capabilities switch_route.sh init_firewall.sh; do
    check "install: $name is kept" not script_is_ours "$name"
    check "install: ours is beside it" script_is_ours "$name" "$name.connmgr"
    check "install: which is said" says "/usr/lib/af-conn/$name is not ours and is kept, ours is $image/usr/lib/af-conn/$name.connmgr"
done
check "install: his is unchanged" test "$(cat "$image/usr/lib/af-conn/net_capabilities")" = 'exit 2'
check "install: fwcfg.sh, which he left alone, is ours" script_is_ours fwcfg.sh
check "install: once more, the same is said" install_image
check "install: it is" says 'net_capabilities.connmgr'
cp "$repo/scripts/net_capabilities" "$image/usr/lib/af-conn/net_capabilities"
check "install: when he takes ours" install_image
check "install: there is no second one" absent /usr/lib/af-conn/net_capabilities.connmgr

# An update of files that are unchanged since the last installation, or that come from a version without
# manifests.
echo '# of version 0.3' >"$image/usr/lib/af-conn/fwcfg.sh"
echo '# of version 0.3' >"$image/etc/af-conn/whitelist"
for file in usr/lib/af-conn/fwcfg.sh etc/af-conn/whitelist; do
    echo "$(sha256sum <"$image/$file" | cut -d' ' -f1)  $file" >>"$image/usr/share/connmgr/manifest.sha256"
done
check "install: over another version" install_image
check "install: the script is replaced" script_is_ours fwcfg.sh
check "install: so is the whitelist that nobody changed" cmp -s "$repo/whitelist/whitelist.prod" "$image/etc/af-conn/whitelist"
check "install: by the development whitelist, too" install_image dev
check "install: it is" cmp -s "$repo/whitelist/whitelist.dev" "$image/etc/af-conn/whitelist"
check "install: a changed whitelist is kept" sh -c "echo mine.example >>'$image/etc/af-conn/whitelist'"
check "install: over it" install_image
check "install: that is said" says '/etc/af-conn/whitelist is not ours and is kept, ours is'
check "install: it is there" in_image /etc/af-conn/whitelist mine.example
old=$(cd "$repo" && git log --format=%H --diff-filter=A -- scripts/fwcfg.sh 2>/dev/null | sed -n '$p')
if [ -n "$old" ]; then
    (cd "$repo" && git show "$old:scripts/fwcfg.sh") >"$image/usr/lib/af-conn/fwcfg.sh"
    rm "$image/usr/share/connmgr/manifest.sha256"
    check "install: over the first version, which had no manifest" install_image
    check "install: that is replaced" script_is_ours fwcfg.sh
fi

# Deployment dev uses the development cloud.
for init in systemd:/etc/default/connmgr sysvinit:/etc/default/connmgr openwrt:/etc/config/connmgr; do
    rm -rf "$image"
    check "install: dev, ${init%:*}" install_image dev "${init%:*}"
    check "install: it asks the development cloud's echo service" \
        grep -qxE "(CONNMGR_OPTIONS='--echo |[[:blank:]]list echo ')echo\.dev\.afero\.io:80'" "$image${init#*:}"
    rm -rf "$image"
    check "install: prod, ${init%:*}" install_image prod "${init%:*}"
    check "install: it does not" not in_image "${init#*:}" echo.dev.afero.io
done
check "install: dev without an init says what to start it with" install_image dev none
check "install: it does" says '--echo echo.dev.afero.io'
rm -rf "$image"

# The original's executable; a system whose /usr/sbin is /usr/bin.
mkdir -p "$image/usr/bin"; echo original >"$image/usr/bin/connmgr"
check "install: over the original" install_image
check "install: its executable is kept under another name" in_image /usr/bin/connmgr.original original
check "install: ours has its place" test "$("$image/usr/bin/connmgr")" = program
rm -rf "$image"; mkdir -p "$image/usr/bin"; ln -s bin "$image/usr/sbin"
check "install: where /usr/sbin is /usr/bin" install_image
check "install: the executable is no link to itself" test "$("$image/usr/bin/connmgr")" = program
rm -rf "$image"

# The drop-in, unpacked over an image.
mkdir -p "$work/dropin" "$image/usr/lib/af-conn"
"$repo/install.sh" "$program" "$work/dropin" prod openwrt
tar -cJf "$work/dropin.tar.xz" -C "$work/dropin" .
echo 'exit 2' >"$image/usr/lib/af-conn/net_capabilities"
check "drop-in: unpacked over an implementer's script" sh -c "'$repo/dropin.sh' unpack '$work/dropin.tar.xz' '$image' 2>'$work/said'"
check "drop-in: that is kept" in_image /usr/lib/af-conn/net_capabilities 'exit 2'
check "drop-in: which is said" says 'net_capabilities is not ours and is kept'
check "drop-in: the rest is there" script_is_ours init_firewall.sh
rm -rf "$image" "$work/dropin"

# Uninstall.
check "uninstall: what was never installed" not "$repo/uninstall.sh" "$image"
for init in systemd sysvinit openwrt none; do
    check "uninstall: after install for $init" install_image prod "$init"
    check "uninstall: ends with 0" "$repo/uninstall.sh" "$image"
    check "uninstall: nothing is left" test "$(find "$image" -mindepth 1)" = ''
done
mkdir -p "$image/etc/default" "$image/usr/share/man"
check "uninstall: after install twice, into directories of others" install_image
check "uninstall: the second time" install_image
check "uninstall: ends with 0" "$repo/uninstall.sh" "$image"
check "uninstall: those of others stay, although they are empty" test "$(cd "$image" && find . -type d | LC_ALL=C sort | paste -sd' ')" = \
    '. ./etc ./etc/default ./usr ./usr/share ./usr/share/man'
check "uninstall: after install" install_image
echo mine.example >>"$image/etc/af-conn/whitelist"
echo mine >"$image/etc/af-conn/firewall.user"
echo mine >"$image/etc/af-conn/flush_dns.user"
echo mine >"$image/usr/lib/af-conn/net_capabilities"
check "uninstall: with changes" sh -c "'$repo/uninstall.sh' '$image' 2>'$work/said'"
for file in etc/af-conn/whitelist etc/af-conn/firewall.user etc/af-conn/flush_dns.user usr/lib/af-conn/net_capabilities; do
    check "uninstall: $file is said" says " $image/$file"
done
check "uninstall: those are all that is left" test "$(cd "$image" && find . -type f | LC_ALL=C sort | paste -sd' ')" = \
    './etc/af-conn/firewall.user ./etc/af-conn/flush_dns.user ./etc/af-conn/whitelist ./usr/lib/af-conn/net_capabilities'
rm -rf "$image"
# After a further installation the changed files are no longer in the manifest: ours are, beside them.
mkdir -p "$image/usr/bin"; echo original >"$image/usr/bin/connmgr"
check "uninstall: after install over the original" install_image
for file in etc/af-conn/whitelist etc/af-conn/netif_names etc/default/connmgr usr/lib/af-conn/net_capabilities; do echo '# mine' >>"$image/$file"; done
check "uninstall: after a second install" install_image
check "uninstall: after a third" install_image
check "uninstall: ends with 0" sh -c "'$repo/uninstall.sh' '$image' 2>'$work/said'"
for file in etc/af-conn/whitelist etc/af-conn/netif_names etc/default/connmgr usr/lib/af-conn/net_capabilities usr/bin/connmgr.original; do
    check "uninstall: $file is kept" test -e "$image/$file"
    check "uninstall: $file is said" says " $image/$file"
done
check "uninstall: and nothing else is left" test "$(find "$image" -type f | wc -l)" = 5
rm -rf "$image"

# The whitelists are the union of the original's four images (AferoCE/af-conn-files).
has_names() {
    list=$1; shift
    for name; do grep -qE "^$name( |\$)" "$repo/whitelist/$list" || return; done
}
check "whitelist.prod has the names of all four images" has_names whitelist.prod conclave.afero.io conclave-stream.afero.io echo.afero.io \
    content.afero.io squirrel.usw2prod.afero.io otacdn.afero.io otacdn.usw2prod.afero.io 'otacdn\*\.afero\.io' aft.afero.io '\*\.afero\.io'
check "whitelist.dev has the names of all four images" has_names whitelist.dev conclave.dev.afero.io conclave-stream.dev.afero.io \
    echo.afero.io echo.dev.afero.io content.dev.afero.io squirrel.dev.afero.io otacdn.dev.afero.io 'otacdn\*\.dev\.afero\.io' \
    aft.afero.io '\*\.afero\.io'
for list in whitelist.prod whitelist.dev; do
    check "$list ends with *.afero.io, as the original's do" test "$(sed -n '$s/ *#.*//p' "$repo/whitelist/$list")" = '*.afero.io'
    check "$list: each entry has a comment" not grep -qE '^[^#]+$' "$repo/whitelist/$list"
done

# The repository's own files.
check "each lab test is in the index of CONTRIBUTING.md" test "$(
    for test in "$repo"/tests/netns/[0-9]*-*.sh; do
        number=${test##*/} number=${number%%-*}
        sed -n 's/^| \([0-9]*\) \(to \([0-9]*\)\|and above\) |.*/\1 \3/p' "$repo/CONTRIBUTING.md" |
            awk -v n="$number" '{ if (n + 0 >= $1 + 0 && ($2 == "" || n + 0 <= $2 + 0)) found = 1 } END { exit !found }' || echo "$number"
    done)" = ''
version=$(cat "$repo/VERSION")
check "the changelog has a section for version $version" grep -qF "## [$version]" "$repo/CHANGELOG.md"
check "the version is a number of three parts" sh -c "echo '$version' | grep -qxE '[0-9]+\.[0-9]+\.[0-9]+'"
built=$repo/artifacts/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')/connmgr
[ ! -x "$built" ] || check "connmgr --version says so" sh -c "'$built' --version | grep -qE '^$version(\+|\$)'"

# Each message of these files that says that the device is locked names the command that unlocks it.
names_unlock() { tr '\n' ' ' <"$repo/$1" | grep -qE "$2[^#]*'connmgr unlock' unlocks"; }
check "locked: prerm names the command" names_unlock packaging/deb/prerm 'may still be locked'
check "locked: postinst names it" names_unlock packaging/deb/postinst 'enabled\. It locks'
check "locked: uninstall.sh names it" names_unlock uninstall.sh 'may still be locked'
check "locked: the alert names it" names_unlock scripts/monitoring/connmgr.rules.yml 'an earlier start has locked it'
check "locked: so does README's sample of status" grep -q "to open it: stop connmgr, then 'connmgr unlock'" "$repo/README.md"
