"""Chromium without a window, and its DevTools to drive a tab."""

import json
import shutil
import subprocess
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


@contextmanager
def browser(page: str, profile: Path, *more: str) -> Iterator[None]:
    """Chromium with *page* open, and with *more* flags."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, *more, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    quiet = subprocess.DEVNULL
    running = subprocess.Popen([*command, page], stdin=quiet, stdout=quiet, stderr=quiet)
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
    """The tab of a browser; collects the requests that it sends."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self.requested: list[str] = []
        """The addresses of all requests so far."""

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the DevTools protocol."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(PATIENCE_S))
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, page: str) -> None:
        self.call("Network.enable")
        self.call("Page.enable")
        self.call("Page.navigate", url=page)

    def run(self, script: str) -> Any:
        """The value of *script*, or of what it promises."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")


@contextmanager
def offline_tab(profile: Path) -> Iterator[Tab]:
    """A tab of a browser that reaches only this machine."""
    with (
        browser("about:blank", profile, OFFLINE),
        connect(_address(profile), max_size=None) as connection,
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
