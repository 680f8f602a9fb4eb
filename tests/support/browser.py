"""Chromium without a window, and its DevTools to drive a tab."""

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--no-proxy-server"),
)
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""Only this machine can be reached."""
PATIENCE_S = 90.0
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
CODES = {" ": "Space"}
VIRTUAL = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "?": 191,
    "/": 191,
    ",": 188,
    "[": 219,
}


@contextmanager
def browser(page: str, profile: Path, *more: str) -> Iterator[None]:
    """Chromium with *page* open, and with *more* flags."""
    assert CHROMIUM is not None
    steady = [sys.executable, str(Path(__file__).with_name("without_netlink.py"))]
    command = [CHROMIUM, *FLAGS, *more, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    quiet = subprocess.DEVNULL
    running = subprocess.Popen([*steady, *command, page], stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


class Tab:
    """The tab of a browser; collects the requests that it sends and what the page complains of."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self.requested: list[str] = []
        """The addresses of all requests so far."""
        self.complaints: list[str] = []
        """Errors of scripts, and what the browser logged as one: policies that were violated, and
        answers of 400 or above."""
        self._unanswered: dict[str, str] = {}
        """The addresses of requests that did not end yet, by their ids."""
        self._failed: list[str] = []
        """Why requests ended without an answer."""

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the DevTools protocol."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(PATIENCE_S))
            self._note(message.get("method"), message.get("params", {}))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _note(self, event: str | None, content: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(content["request"]["url"])
            self._unanswered[content["requestId"]] = content["request"]["url"]
        elif event == "Network.loadingFinished":
            self._unanswered.pop(content["requestId"], None)
        elif event == "Network.loadingFailed":
            address = self._unanswered.pop(content["requestId"], "an earlier page")
            self._failed.append(f"{address}: {content['errorText']}")
        elif event == "Network.webSocketCreated":
            self.requested.append(content["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(content["exceptionDetails"]))
        elif event == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.complaints.append(json.dumps(content["entry"]))

    def troubles(self) -> str:
        """What a page may be waiting for."""
        return f"unanswered: {[*self._unanswered.values()]}\nfailed: {self._failed[-20:]}"

    def open(self, page: str) -> None:
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page)

    def run(self, script: str) -> Any:
        """The value of *script*, or of what it promises."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, *keys: str, text: str = "") -> None:
        """Press *keys* one by one, such as "Enter" or "Control+Enter"; then type *text*."""
        for key in keys:
            *held, last = key.split("+") if len(key) > 1 else [key]
            what: dict[str, Any] = {"key": last, "code": CODES.get(last, last)}
            what["modifiers"] = sum(MODIFIERS[name] for name in held)
            what["windowsVirtualKeyCode"] = VIRTUAL.get(last) or ord(last.upper())
            if len(last) == 1 or last == "Enter":
                what["text"] = "\r" if last == "Enter" else last
            self.call("Input.dispatchKeyEvent", type="keyDown", **what)
            self.call("Input.dispatchKeyEvent", type="keyUp", **what)
        if text:
            self.call("Input.insertText", text=text)

    def picture(self, file: Path) -> None:
        """Write what the tab shows into *file*, a PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def offline_tab(profile: Path) -> Iterator[Tab]:
    """A tab of a browser that reaches only this machine."""
    with (
        browser("about:blank", profile, OFFLINE),
        connect(_address(profile), max_size=None, ping_interval=None) as connection,
    ):
        yield Tab(connection)


def _address(profile: Path) -> str:
    """Where the tab listens for commands, once the browser is up."""
    give_up_at = time.monotonic() + PATIENCE_S
    file = profile / "DevToolsActivePort"
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < give_up_at, "the browser does not start"
        time.sleep(0.1)
    port = file.read_text().splitlines()[0]
    tabs = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S).json()
    address: str = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
    return address
