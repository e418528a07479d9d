# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# sbom.py: the bill of materials is SPDX 2.3 as far as we use it, and names each package of the product.

bill() { "$repo/packaging/sbom.py" 1.2.3 0123456789abcdef 1700000000 "$repo/install.sh" >"$work/$1"; }
check "sbom: it is made" bill spdx.json
check "sbom: made again, it is the same" sh -c "'$repo/packaging/sbom.py' 1.2.3 0123456789abcdef 1700000000 '$repo/install.sh' | cmp - '$work/spdx.json'"
check "sbom: identifiers are unique, relationships lead somewhere, licenses are declared" python3 -c "
import json, re, sys
bill = json.load(open(sys.argv[1]))
assert bill['spdxVersion'] == 'SPDX-2.3' and bill['dataLicense'] == 'CC0-1.0' and bill['creationInfo']['created'] == '2023-11-14T22:13:20Z'
ids = [element['SPDXID'] for element in bill['packages'] + bill['files']]
assert len(ids) == len(set(ids)) and all(re.fullmatch('SPDXRef-[A-Za-z0-9.-]+', id) for id in ids)
for relation in bill['relationships']:
    assert {relation['spdxElementId'], relation['relatedSpdxElement']} <= set(ids) | {'SPDXRef-DOCUMENT'}
assert all(package['licenseDeclared'] and package['downloadLocation'] for package in bill['packages'])
" "$work/spdx.json"
check "sbom: each package of the product, with its version" sh -c "sed -n 's/.*PackageReference Include=\"\([^\"]*\)\".*/\1/p' '$repo/src/ConnMgr/ConnMgr.csproj' |
    while read -r name; do
        version=\$(sed -n \"s/.*Include=\\\"\$name\\\" Version=\\\"\([^\\\"]*\)\\\".*/\1/p\" '$repo/Directory.Packages.props')
        grep -qF \"pkg:nuget/\$name@\$version\" '$work/spdx.json' || exit
    done"
check "sbom: the glibc that is linked in" grep -q 'pkg:deb/debian/libc6-dev@' "$work/spdx.json"
