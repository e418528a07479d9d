"""What a user does with the pages, in a browser: story.py URL LAB CONNMGR PICTURES. Prints `ok - ` and `not ok - `."""
import json
import pathlib
import subprocess
import sys
import time

from browser import Browser

url, lab, program, pictures = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
browser = Browser()
failed = False


def check(what, is_right, detail=""):
    global failed
    failed = failed or not is_right
    print(f"ok - {what}" if is_right else f"not ok - {what}\n# {detail or browser.evaluate('document.body.innerText.slice(0, 1500)')!r}", flush=True)


def shows(what, script, seconds=60):
    check(what, browser.wait_for(script, seconds))


def text(words):
    return f"document.getElementById('view').innerText.includes({json.dumps(words)})"


def open_view(view, query="session=root"):
    browser.problems.clear()
    browser.open(f"{url}/{view}?{query}")
    shows(f"{view}: it is there ({query})", "document.querySelector('#view h2') !== null")


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def on_device(*command):
    return run("nsenter", "--net=/run/netns/device", *command)


def status():
    return json.loads(run(program, "status", "--json", "--run-dir", str(lab / "run")))


def is_locked():
    return "connmgr" in on_device("nft", "list", "tables")


browser.size(1200, 800)
# -- status: live
open_view("status")
shows("status: the link in use", "document.querySelector('#connmgr-status table').innerText.match(/In use\\s+eth0 for/)")
shows("status: the firewall and the mode of DNS", text("locked, nft"))
shows("status: each link with its state", " && ".join(text(link) for link in ("eth0", "wlan0", "wwan0")))
shows("status: an open address by its name", "[...document.querySelectorAll('tr')].some((row) => row.innerText.match(/api.shop.example\\s+198.18.100.8\\s+\\*.shop.example/))")
shows("status: a prefix of the whitelist", text("198.18.103.0/24"))
browser.picture(pictures / "status.png", browser.evaluate("document.documentElement.scrollHeight"))
run("ip", "-n", "r-eth", "link", "set", "lan", "down")
shows("status: another link is in use, and the page says so by itself", "document.querySelector('#connmgr-status table').innerText.match(/In use\\s+wlan0 for/)")
shows("status: the reason", text("eth0"))
run("ip", "-n", "r-eth", "link", "set", "lan", "up")
browser.click("#connmgr-reload")
shows("status: reload says what it did", "document.querySelector('.notification')?.innerText.includes('nothing has changed')")

# -- events: live
open_view("events")
shows("events: what has happened", text("monitoring eth0"))
shows("events: the newest first", "[...document.querySelectorAll('#connmgr-events .td')].findIndex((cell) => cell.innerText.includes('wlan0')) < "
      "[...document.querySelectorAll('#connmgr-events .td')].findIndex((cell) => cell.innerText.includes('monitoring'))")
(lab / "etc/netif_names").write_text((lab / "etc/netif_names").read_text() + "PREFER='eth0'\n")
run(program, "reload", "--run-dir", str(lab / "run"))
shows("events: a new one comes by itself", text("PREFER") + " || " + text("reload:"))
browser.picture(pictures / "events.png")
browser.evaluate("{ const level = document.getElementById('connmgr-level'); level.value = 'error'; level.dispatchEvent(new Event('change')); }")
shows("events: none below the chosen level", "!" + text("monitoring eth0"))

# -- whitelist
open_view("whitelist")
shows("whitelist: the file", "document.getElementById('connmgr-text').value.startsWith('# The shop\\n*.shop.example')")
shows("whitelist: it has no errors", text("No errors."))
browser.type("#connmgr-text", "# mine\n*.shop.example\n\nbad name\n*.*.example\n")
shows("whitelist: a remark with its line, while the user types", "document.querySelectorAll('#connmgr-remarks .danger').length === 2 && " + text("Line 4"))
browser.picture(pictures / "whitelist.png")
browser.click("#connmgr-remarks a")
shows("whitelist: the line is selected", "(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))(document.getElementById('connmgr-text')) === 'bad name'")
browser.click("#connmgr-save")
shows("whitelist: errors are not saved", "document.querySelector('.notification')?.innerText.includes('not saved')")
check("whitelist: the file is as it was", (lab / "etc/whitelist").read_text().startswith("# The shop\n"))
browser.type("#connmgr-text", "# mine <b>\n*.shop.example\nnew.example\n")
shows("whitelist: a good text", text("No errors."))
browser.click("#connmgr-save")
shows("whitelist: it is saved", "document.querySelector('.notification')?.innerText.includes('is saved')")
check("whitelist: as the user wrote it", (lab / "etc/whitelist").read_text() == "# mine <b>\n*.shop.example\nnew.example\n", (lab / "etc/whitelist").read_text())
check("whitelist: the daemon has it", "new.example" in [entry["entry"] for entry in status()["firewall"]["whitelist"]])
# Two users: the second does not overwrite what the first has saved.
(lab / "etc/whitelist").write_text("*.shop.example\nother.example\n")
browser.click("#connmgr-save")
shows("whitelist: what another user has saved is not lost", "document.querySelector('.notification')?.innerText.includes('changed meanwhile')")
check("whitelist: nor overwritten", "other.example" in (lab / "etc/whitelist").read_text())
check("no script has complained", not browser.problems, browser.problems)

# -- configuration
open_view("config")
described = run("sed", "-n", "/^connmgr_describe/,/^}/s/^ *'\\([a-z_]*\\):.*/\\1/p", str(pathlib.Path(__file__).parents[2] / "scripts/openwrt/connmgr.init")).split()
missing = [name for name in described if not browser.evaluate(f"document.getElementById('option-{name}') !== null")]
check(f"configuration: all {len(described)} options", len(described) > 30 and not missing, missing)
for option, bad, good in (("idle", "1", "ethernet=16,wan=300"), ("idle", "16;reboot", "20"), ("queue_num", "65536", "7"), ("echo", "a b", "[2001:db8::1]:80"),
                          ("probe", "ftp://a", "http://198.18.0.1/a#204"), ("ping", "host.example", "2001:db8::2"), ("dns_servers", "some", "any"),
                          ("ethernet", "$(id)", "wan"), ("hook_dir", "hooks", "/etc/hooks"), ("control_group", "-d", "network"), ("run_dir", "/tmp/../etc", "/var/run/connmgr")):
    browser.type(f"#option-{option}", bad)
    fault = browser.evaluate(f"document.querySelector('#option-{option} + .fault').innerText")
    browser.type(f"#option-{option}", good)
    check(f"configuration: {option}: {bad!r} is refused, {good!r} is not",
          fault and not browser.evaluate(f"document.querySelector('#option-{option} + .fault').innerText"), fault)
browser.picture(pictures / "config.png")
browser.type("#option-echo", "echo.example:80\n198.18.0.1")
browser.click("#option-keep_flows")
browser.click("#save-apply")
shows("configuration: it is applied", "document.getElementById('view').dataset.applied === 'true'")
written = (lab / "config").read_text()
check("configuration: it is written", all(line in written for line in ("option idle '20'", "list echo 'echo.example:80'\n\tlist echo '198.18.0.1'",
                                                                       "option keep_flows '1'", "option enabled '1'")), written)
check("configuration: what has its default is not", "mark_bit" not in written and "use_ping" not in written, written)
check("no script has complained", not browser.problems, browser.problems)

# -- who may only read
for view, button in (("status", "#connmgr-unlock"), ("status", "#connmgr-reload"), ("whitelist", "#connmgr-save"), ("config", "#save-apply")):
    open_view(view, "session=viewer")
    shows(f"{view}: {button} is not for those who may only read", f"document.querySelector('{button}').disabled")
for method in "unlock", "set_whitelist", "reload", "start":
    answer = browser.evaluate(f"fetch('/ubus', {{ method: 'POST', body: JSON.stringify({{ id: 1, params: ['viewer', 'connmgr', '{method}', {{}}] }}) }}).then((reply) => reply.json())")
    check(f"{method}: refused", answer.get("error", {}).get("code") == -32002, answer)
open_view("status", "session=nobody")
shows("status: without rights, an error and nothing else", text("Access denied"))

# -- a phone, and data that looks like HTML
browser.size(390, 844, is_phone=True)
for hostile in False, True:
    (lab / "program").write_text(str(lab / "hostile") if hostile else program)
    if hostile:
        (lab / "etc/whitelist").write_text("<img src=x onerror=console.error(1)>\n")
    for view in "status", "events", "whitelist", "config":
        open_view(view)
        shows(f"{view}: there is data", {"status": "document.querySelectorAll('#view .td').length > 20", "events": "document.querySelectorAll('#view .td').length > 20",
                                         "whitelist": "document.querySelector('#connmgr-remarks').children.length > 0", "config": "document.querySelectorAll('#view input').length > 10"}[view])
        width = browser.evaluate("document.documentElement.scrollWidth")
        check(f"{view}: fits a phone", width <= 390, width)
        if hostile:
            check(f"{view}: data are text, not HTML", browser.evaluate("document.querySelectorAll('#view img, #view b').length") == 0)
            check(f"{view}: the text is there", view == "config" or browser.evaluate("(document.getElementById('connmgr-text')?.value ?? '') + document.getElementById('view').innerText").count("<img") > 0)
            check(f"{view}: no script has complained", not browser.problems, browser.problems)
        else:
            browser.picture(pictures / f"{view}-phone.png", min(2000, browser.evaluate("document.documentElement.scrollHeight")) if view == "status" else None)
(lab / "program").write_text(program)

# -- each text that is no data passes the translation
for view in "status", "events", "whitelist", "config":
    open_view(view, "session=root&marks=1")
    browser.wait_for("document.querySelectorAll('#view .td, #connmgr-remarks *, #view input').length > 3")
    plain = browser.evaluate("""[...document.querySelectorAll('#view h2, #view h3, #view button, #view th, #view label, #view .cbi-value-title, #view .cbi-value-description, #view p, #view strong')]
        .filter((node) => !node.closest('.td + .td') && node.id !== 'save-apply').map((node) => node.innerText.trim())
        .filter((words) => words !== '' && !words.startsWith('\\u00ab') && !/^(eth|wlan|wwan)/.test(words))""")
    check(f"{view}: each text is for a translator", not plain, plain)

# -- unlock
browser.size(1200, 800)
open_view("status")
shows("unlock: it is offered", "document.getElementById('connmgr-unlock').style.display !== 'none' && document.getElementById('connmgr-start').style.display === 'none'")
browser.click("#connmgr-unlock")
shows("unlock: it asks", "!document.getElementById('modal').hidden && document.getElementById('modal').innerText.includes('Unlock the device?')")
browser.picture(pictures / "unlock.png")
browser.click("#modal .btn")
shows("unlock: cancelled", "document.getElementById('modal').hidden")
check("unlock: nothing has happened", is_locked() and status()["firewall"]["locked"])
browser.click("#connmgr-unlock")
browser.click("#connmgr-confirm")
shows("unlock: confirmed", "document.querySelector('.notification')?.innerText.includes('The device is unlocked.')")
check("unlock: the device is open", not is_locked())
shows("unlock: the page says that connmgr does not run", text("no answer from connmgr") + " && " + text("The device is not locked."))
shows("unlock: the way back is offered", "document.getElementById('connmgr-start').style.display !== 'none' && document.getElementById('connmgr-reload').style.display === 'none'")
browser.click("#connmgr-start")
shows("start: the device is locked again", text("locked, nft"))
check("start: by the rules", is_locked())
on_device("kill", "-KILL", (lab / "run/connmgr.pid").read_text().strip())
shows("a daemon that died: still locked", text("The device is still locked by an earlier start."))
check("no script has complained", not browser.problems, browser.problems)
browser.close()
time.sleep(0.1)
sys.exit(failed)
