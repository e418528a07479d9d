"""Drives headless Chromium over its debugging pipe (--remote-debugging-pipe): commands and answers of the Chrome DevTools
Protocol, JSON, each ended by NUL, on the file descriptors 3 and 4 of the browser."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class Browser:
    """One page of a browser of its own. `problems` gets each exception and each error that a script writes to the console."""

    def __init__(self):
        self._profile = tempfile.mkdtemp()
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser's descriptors 3 and 4, whatever their numbers are here.
        command = ["sh", "-c", f'exec 3<&{to_browser} 4>&{from_browser} "$@"', "sh", "chromium", "--headless=new", "--no-sandbox",
                   "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage",
                   "--hide-scrollbars", "--lang=en-US", "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(command, pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._received, self._session = 0, b"", None
        self.problems = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.call(domain + ".enable")

    def _receive(self, seconds=120):
        end = time.monotonic() + seconds
        while b"\0" not in self._received:
            if not select.select([self._in], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._in, 1 << 16)
            if not data:
                raise EOFError("the browser has ended")
            self._received += data
        message, self._received = self._received.split(b"\0", 1)
        message = json.loads(message)
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.problems.append(" ".join(str(value.get("value", value.get("description"))) for value in parameters["args"]))
        elif message.get("method") == "Page.javascriptDialogOpening":
            self.problems.append("a dialog: " + parameters["message"])
            # Answered at once, because the page waits for it. Its reply is skipped by its number.
            self._send("Page.handleJavaScriptDialog", accept=True)
        return message

    def _send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._number

    def call(self, method, **parameters):
        """Sends a command and returns its result."""
        number = self._send(method, **parameters)
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def size(self, width, height, is_phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, script):
        """The value of a JavaScript expression, after the promise that it may be."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def wait_for(self, script, seconds=60):
        """True as soon as the expression is; false if it is not within that time."""
        end = time.monotonic() + seconds
        while True:
            try:
                if self.evaluate(script):
                    return True
            except RuntimeError:
                pass  # the page is not there yet
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def type(self, selector, text):
        """Puts the text into a field, as a user does."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def click(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def picture(self, path, height=None):
        """A PNG of the page, `height` pixels high (default: of the window)."""
        clip = {}
        if height:
            width = self.evaluate("innerWidth")
            clip = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}, "captureBeyondViewport": True}
        data = self.call("Page.captureScreenshot", format="png", **clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)
