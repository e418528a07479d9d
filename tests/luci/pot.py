"""pot.py APP: prints the template for translators, po/templates/connmgr.pot: every text in _() and every title of the menu."""
import json
import pathlib
import re
import sys

app = pathlib.Path(sys.argv[1])
found = {}
for path in sorted(app.glob("htdocs/**/*.js")):
    for text in re.findall(r"\b_\('((?:[^'\\]|\\.)*)'", path.read_text()):
        found.setdefault(re.sub(r"\\(.)", r"\1", text), []).append(path.relative_to(app))
for path in sorted(app.glob("root/usr/share/luci/menu.d/*.json")):
    for entry in json.loads(path.read_text()).values():
        if "title" in entry:
            found.setdefault(entry["title"], []).append(path.relative_to(app))
for path in sorted(app.glob("root/usr/share/rpcd/acl.d/*.json")):
    for group in json.loads(path.read_text()).values():
        found.setdefault(group["description"], []).append(path.relative_to(app))
print('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"')
for text, paths in sorted(found.items()):
    print()
    for path in dict.fromkeys(paths):
        print(f"#: applications/luci-app-connmgr/{path}")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    print(f'msgid "{quoted}"\nmsgstr ""')
