#!/bin/sh
# static.sh: what can be known of the views for LuCI without a browser. Ends with `N passed, N failed`. Needs no root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
app=$repo/scripts/openwrt/luci-app-connmgr
resources=$app/htdocs/luci-static/resources
passed=0 failed=0
check() {
    what=$1; shift
    if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok - $what"; else failed=$((failed + 1)); echo "not ok - $what"; fi
}
same() {
    what=$1
    if [ "$2" = "$3" ] && [ -n "$2" ]; then check "$what" true; else check "$what" false; echo "# '$2'"; echo "# '$3'"; fi
}
not() { ! "$@"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
words() { tr ' ' '\n' | sed '/^$/d' | LC_ALL=C sort | paste -sd' '; }
json() { /usr/bin/python3 -c "import json, sys; data = json.load(open(sys.argv[1])); $2" "$1"; }

menu=$app/root/usr/share/luci/menu.d/luci-app-connmgr.json
list=$app/root/usr/share/rpcd/acl.d/luci-app-connmgr.json
for file in "$menu" "$list"; do check "${file##*/root}: is JSON" json "$file" pass; done

# The menu, the views and the access list belong together.
same "each view is in the menu, and each entry has its view" \
    "$(json "$menu" 'print(*(e["action"]["path"] for e in data.values() if e["action"]["type"] == "view"))' | words)" \
    "$(cd "$resources/view" && find . -name '*.js' | sed 's,^\./,,; s,\.js$,,' | words)"
same "the menu is for the group of the access list" "$(json "$menu" 'print(*{a for e in data.values() for a in e.get("depends", {}).get("acl", [])})')" \
    "$(json "$list" 'print(*data)')"
granted() { json "$1" "group = data[\"$2\"]; print(*(m for k in \"$3\".split() for m in group[k][\"ubus\"][\"connmgr\"]))" | words; }
declared=$(sed -n "s/.*declare('\([a-z_]*\)'.*/\1/p" "$resources/connmgr/client.js" | words)
same "the access list grants what the views call" "$(granted "$list" luci-app-connmgr 'read write')" "$declared"
same "the plugin answers what the views call" "$(sh "$repo/scripts/openwrt/connmgr.rpcd" list |
    /usr/bin/python3 -c 'import json, sys; print(*json.load(sys.stdin))' | words)" "$declared"
same "their arguments have the plugin's names" "$(sh "$repo/scripts/openwrt/connmgr.rpcd" list |
    /usr/bin/python3 -c 'import json, sys; print(*(m + "." + a for m, v in json.load(sys.stdin).items() for a in v))' | words)" \
    "$(sed -n "s/.*declare('\([a-z_]*\)', \[ \(.*\) \]).*/\1 \2/p" "$resources/connmgr/client.js" | tr -d "',[]" |
        while read -r method arguments; do for argument in $arguments; do echo "$method.$argument"; done; done | words)"
for right in read write; do
    same "the plugin's own group has the same methods: $right" "$(granted "$list" luci-app-connmgr $right)" \
        "$(granted "$repo/scripts/openwrt/connmgr.acl.json" connmgr $right)"
done
same "who may only read, changes nothing" "$(granted "$list" luci-app-connmgr read)" 'check_whitelist events get_whitelist status'
same "the configurations that the views read are granted" "$(sed -n "s/.*uci\.load('\([a-z]*\)').*uci\.load('\([a-z]*\)').*/\1 \2/p" "$resources"/view/connmgr/*.js | words)" \
    "$(json "$list" 'print(*data["luci-app-connmgr"]["read"]["uci"])' | words)"
same "only our own may be changed" "$(json "$list" 'print(*data["luci-app-connmgr"]["write"]["uci"])')" connmgr

# Every option is offered, with the same choices.
describe() { sed -n '/^connmgr_describe/,/^}/p' "$repo/scripts/openwrt/connmgr.init"; }
same "every option of the init script is offered" "$(sed -n "s/.*\(flag\|choice\|text\|number\|list\)('[a-z]*', '\([a-z_]*\)'.*/\2/p" "$resources/view/connmgr/config.js" | words)" \
    "$(describe | sed -n "s/^ *'\([a-z_]*\):.*/\1/p" | words)"
same "choices are the init script's" "$(sed -n "s/.*choice('[a-z]*', '\([a-z_]*\)', [^[]*\[ \([^]]*\) \].*/\1 \2/p" "$resources/view/connmgr/config.js" | tr -d "'," | LC_ALL=C sort)" \
    "$(describe | sed -n "s/^ *'\([a-z_]*\):or(\(\"[^)]*\"\)).*/\1 \2/p" | tr -d '",' | LC_ALL=C sort)"
same "flags are the init script's" "$(sed -n "s/.*flag('[a-z]*', '\([a-z_]*\)'.*, true);.*/\1:bool:1/p; t; s/.*flag('[a-z]*', '\([a-z_]*\)'.*/\1:bool:0/p" "$resources/view/connmgr/config.js" | words)" \
    "$(describe | sed -n "s/^ *'\([a-z_]*:bool:[01]\)'.*/\1/p" | words)"

# Data are never HTML.
for file in $(cd "$resources" && find . -name '*.js'); do
    file=${file#./}
    check "$file: makes no HTML from text" not grep -nE 'innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|%h' "$resources/$file"
    [ "$file" = connmgr/client.js ] ||
        check "$file: makes elements with element() alone" not grep -nE '(^|[^A-Za-z_.])E\(|createElement|dom\.|showModal|addNotification' "$resources/$file"
    # Headings, labels and the like are for translators. (The browser's tests look at the page.)
    check "$file: texts are in _()" not grep -nE "el\('(h2|h3|p|button|th|label|em|strong)', \{[^}]*\}, '[A-Za-z]|section\.tab\('[a-z]+', '|notify\(\[ '" "$resources/$file"
    # As LuCI's loader does it: the body of a function.
    if command -v node >/dev/null; then
        { echo '(function() {'; cat "$resources/$file"; echo '})'; } >"$work/body.js"
        check "$file: its syntax" node --check "$work/body.js"
    fi
done
command -v node >/dev/null || echo "skip - JavaScript's syntax: there is no node"

# What the lockdown does not explain, and other programs do.
if command -v node >/dev/null; then
    status() { printf '%s' '{"in_use":"eth0","in_use_seconds":1,"reason":"r","reason_age_seconds":1,"confirmed":true,"resolver":{"servers":[],"warning":null},"hint":null,'\
'"flow_limit":null,"attrd":null,"version":"0","uptime_seconds":1,"links":[],"firewall":{"locked":true,"audit":false,"backend":"nft","backend_reason":"","dns":"hold","dns_reason":"",'\
'"name_servers":"any","entries":0,"holes":0,"whitelist":[],'"$1"'}}' | node "$here/render.js" "$app"; }
    shows() { status "$1" | grep -qF -- "$2"; }
    dropped='"local_drops":["TCP to 198.18.100.10:80","ping"],"other_chains":["inet fw4 input"]'
    check "status: what another program's rules drop" shows "$dropped" "another program's rules: TCP to 198.18.100.10:80"
    check "status: each of it" shows "$dropped" "another program's rules: ping"
    check "status: whose chains packets pass" shows "$dropped" 'Chains of other programs | inet fw4 input'
    check "status: nothing of it if there is none" not shows '"local_drops":[],"other_chains":[]' 'other program'
    check "status: an older daemon does not tell" shows '"repairs":0' 'locked, nft'
fi

# For translators: tests/luci/pot.py makes it.
check "the template has all texts" sh -c "/usr/bin/python3 '$here/pot.py' '$app' | cmp - '$app/po/templates/connmgr.pot'"

# The package.
same "the package has the version of the sources" "$(sed -n 's/^PKG_VERSION:=//p' "$app/Makefile")" "$(cat "$repo/VERSION")"
check "it is built by LuCI's rules" grep -qx 'include ../../luci.mk' "$app/Makefile"
check "it needs connmgr and LuCI" grep -qx 'LUCI_DEPENDS:=+luci-base +connmgr' "$app/Makefile"
printf '#!/bin/sh\n' >"$work/program"
for luci in 0 1; do LUCI=$luci "$repo/install.sh" "$work/program" "$work/$luci" prod openwrt 2>/dev/null; done
installed() { (cd "$work/$1" && find . -type f | grep -c 'luci'); }
same "make install LUCI=1: the views, the menu and the access list" "$(installed 1)" "$(find "$app/htdocs" "$app/root" -type f | wc -l)"
check "where LuCI looks for them" cmp "$resources/view/connmgr/status.js" "$work/1/www/luci-static/resources/view/connmgr/status.js"
check "and where its menu does" cmp "$menu" "$work/1/usr/share/luci/menu.d/luci-app-connmgr.json"
same "without it, nothing of them" "$(installed 0)" 0
"$repo/uninstall.sh" "$work/1" 2>/dev/null
same "uninstall: nothing of them is left" "$(find "$work/1" -type f | wc -l)" 0

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
