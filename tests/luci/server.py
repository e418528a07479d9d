"""A stand-in for uhttpd and rpcd: serves the views and the loader, and answers /ubus as rpcd does, with the real plugin and by the
real access list (rpcd: session.c, plugin.c; uhttpd: ubus.c, which takes at most 64 kB). `uci` reads and writes one file.

server.py PORT APP PLUGIN CONFIG: APP is luci-app-connmgr, CONFIG an /etc/config/connmgr. The sessions are `root`, who may
read and write, `viewer`, who may only read, and `nobody`. /VIEW?session=NAME shows a view."""
import html
import http.server
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse

PORT, APP, PLUGIN, CONFIG = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
RIGHTS = {"root": ("read", "write"), "viewer": ("read",), "nobody": ()}
ACCESS = json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-connmgr.json").read_text())["luci-app-connmgr"]
METHODS = json.loads(subprocess.run([PLUGIN, "list"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout)
# Of ubusmsg.h and JSON-RPC as uhttpd has it.
INVALID_ARGUMENT, METHOD_NOT_FOUND, ACCESS_DENIED = 2, 3, -32002
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>connmgr</title><link rel="stylesheet" href="/style.css"></head><body><div id="maincontent"><nav>%s</nav><div id="view"></div></div>
<div id="modal" hidden></div><script type="application/json" id="environment">%s</script><script src="/loader.js"></script></body></html>"""


def sections(text):
    """{section: {option: value}} of a UCI file."""
    found = {}
    for kind, name, value in re.findall(r"^\s*(config|option|list)\s+(\S+)(?:\s+'(.*)')?\s*$", text, re.M):
        if kind == "config":
            section = found[value] = {".type": name, ".name": value}
        elif kind == "option":
            section[name] = value
        else:
            section.setdefault(name, []).append(value)
    return found


def write(found):
    lines = []
    for name, section in found.items():
        lines.append(f"config {section['.type']} '{name}'")
        for option, value in section.items():
            if isinstance(value, list):
                lines += [f"\tlist {option} '{word}'" for word in value]
            elif not option.startswith("."):
                lines.append(f"\toption {option} '{value}'")
    CONFIG.write_text("\n".join(lines) + "\n")


def uci(method, arguments):
    if method == "apply":
        return [0]
    if arguments["config"] != "connmgr":
        return [0, {"values": {name: {".type": "interface", ".name": name} for name in ("loopback", "wan", "wwan")}}]
    found = sections(CONFIG.read_text())
    if method == "get":
        return [0, {"values": found}]
    section = found[arguments["section"]]
    if method == "set":
        section.update(arguments["values"])
    else:
        section.pop(arguments["option"], None)
    write(found)
    return [0]


def ubus(session, target, method, arguments):
    """The result or the error of a call, as a member of the answer."""
    for right in RIGHTS.get(session, ()):
        if method in ACCESS[right]["ubus"].get(target, ()):
            break
        # rpcd wants the right to read a configuration for `get`, and the right to write it for the others.
        if target == "uci" and (method == "apply" or arguments.get("config") in ACCESS[right]["uci"]) and (method == "get") == (right == "read"):
            return {"result": uci(method, arguments)}
    else:
        return {"error": {"code": ACCESS_DENIED, "message": "Access denied"}}
    if method not in METHODS:
        return {"result": [METHOD_NOT_FOUND]}
    for name, value in arguments.items():
        if name not in METHODS[method] or type(value) is not type(METHODS[method][name]):
            return {"result": [INVALID_ARGUMENT]}
    answer = subprocess.run([PLUGIN, "call", method], input=json.dumps(arguments).encode(), stdout=subprocess.PIPE, timeout=30)
    return {"result": [0, json.loads(answer.stdout)]}


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, kind, data):
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        if length > 65536:
            return self.send_error(413)
        call = json.loads(self.rfile.read(length))
        self.reply("application/json", json.dumps({"jsonrpc": "2.0", "id": call["id"], **ubus(*call["params"])}).encode())

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        for prefix, folder in (("/luci-static/", APP / "htdocs/luci-static"), ("/", pathlib.Path(__file__).parent)):
            file = folder / url.path.removeprefix(prefix)
            if url.path.startswith(prefix) and file.is_file() and ".." not in url.path:
                return self.reply({".js": "text/javascript", ".css": "text/css"}[file.suffix], file.read_bytes())
        view = url.path.removeprefix("/")
        menu = json.loads((APP / "root/usr/share/luci/menu.d/luci-app-connmgr.json").read_text())
        views = {entry["action"]["path"].split("/")[1]: entry for entry in menu.values() if entry["action"]["type"] == "view"}
        if view not in views:
            return self.send_error(404)
        query = dict(urllib.parse.parse_qsl(url.query))
        session = query.get("session", "root")
        environment = {"session": session, "isReadOnly": session != "root", "view": views[view]["action"]["path"], "haste": 10,
                       "marks": "marks" in query}
        links = "".join(f'<a href="/{html.escape(name)}?session={html.escape(session)}">{html.escape(entry["title"])}</a> '
                        for name, entry in views.items())
        self.reply("text/html", (PAGE % (links, json.dumps(environment).replace("<", "\\u003c"))).encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # The browser leaves a page before its last answer.
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


Server(("127.0.0.1", PORT), Handler).serve_forever()
