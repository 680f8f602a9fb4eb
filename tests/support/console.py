"""The console in a tab: what a person does with it, and what they see."""

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.browser import Tab

PICTURES = Path("build") / "console"
"""Where pictures of the views are written; CI keeps them."""
SIZE = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
TOOLS = """
const $ = selector => document.querySelector(selector);
const texts = selector => [...document.querySelectorAll(selector)].map(each => each.innerText);
async function until(find) {
  const giveUp = Date.now() + 60000;
  for (;;) {
    const found = await find();
    if (found) return found;
    const seen = () => document.body.innerText;
    if (Date.now() > giveUp) throw new Error(`it did not happen: ${find}\\n${seen()}`);
    await new Promise(done => setTimeout(done, 25));
  }
}
"""


class Console:
    """The page of one instance."""

    def __init__(self, tab: Tab, url: str) -> None:
        self.tab = tab
        self.url = url

    def open(self, view: str = "talk", *, theme: str = "light", fresh: bool = True) -> None:
        """Load the page, and wait for the view; *fresh*: as in a new tab of a new browser."""
        self.load(view, theme=theme, fresh=fresh)
        self.wait("!!document.querySelector('main > :not(#loading)')")

    def load(self, view: str = "talk", *, theme: str = "light", fresh: bool = True) -> None:
        scheme = {"name": "prefers-color-scheme", "value": theme}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.tab.call("Emulation.setDeviceMetricsOverride", **SIZE)
        self.tab.call("Emulation.setEmulatedMedia", features=[scheme, still])
        # Another page comes in between: a change of what follows the # alone loads nothing.
        self.tab.open(f"{self.url}/console/icon.svg")
        if fresh:
            self.tab.run("sessionStorage.clear(), localStorage.clear()")
        self.tab.open(f"{self.url}/console#{view}")
        self.tab.call("Page.bringToFront")

    def run(self, script: str) -> Any:
        """What *script* returns; it has `$`, `texts` and `until`."""
        return self.tab.run(f"(async () => {{ {TOOLS} {script} }})()")

    def wait(self, condition: str) -> Any:
        """The value of *condition* once it is true, also while the page is loading."""
        give_up_at = time.monotonic() + 60
        while True:
            found = self.tab.run(condition)
            if found:
                return found
            if time.monotonic() > give_up_at:
                raise AssertionError(f"{condition}: {self.text()}\n{self.tab.troubles()}")
            time.sleep(0.05)

    def text(self, selector: str = "body") -> str:
        found: str = self.run(f"return $({json.dumps(selector)})?.innerText ?? '';")
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.run(f"return texts({json.dumps(selector)});")
        return found

    def click(self, selector: str) -> None:
        self.run(f"(await until(() => $({json.dumps(selector)}))).click();")

    def see(self, selector: str) -> None:
        """Wait until there is *selector*."""
        self.run(f"await until(() => $({json.dumps(selector)}));")

    def read(self, selector: str, text: str) -> None:
        """Wait until *selector* says *text*."""
        said = f"$({json.dumps(selector)})?.innerText.includes({json.dumps(text)})"
        self.run(f"await until(() => {said});")

    def focused(self) -> str:
        """The id of the element that has the focus."""
        found: str = self.run("return document.activeElement.id;")
        return found

    def user(self, name: str) -> None:
        """Choose a user whom the page does not know, as a person does, without the pointer."""
        self.run(
            "await until(() => $('#user').options.length); $('#user').value = '\\u0000other';"
            " $('#user').dispatchEvent(new Event('change'));"
            " await until(() => $('#dialog').open);"
        )
        self.tab.press(text=name)
        self.tab.press("Enter")
        self.run(f"await until(() => $('#user').value === {json.dumps(name)});")

    def sign_in(self, key: str) -> None:
        """Give an API key or a token."""
        self.see("#key")
        self.run("$('#key').value = ''; $('#key').focus();")
        self.tab.press(text=key)
        self.tab.press("Enter")

    def strangers(self) -> list[str]:
        """The addresses that were asked so far and are not the instance's."""
        self.tab.run("document.title")  # takes in what the browser has said so far
        parts = urlsplit(self.url)
        # Browsers ask the origin for an icon where a page names none.
        icon = f"{parts.scheme}://{parts.netloc}/favicon.ico"
        own = (f"{self.url}/", f"ws{self.url.removeprefix('http')}/", "blob:", icon)
        return [address for address in self.tab.requested if not address.startswith(own)]

    def complaints(self) -> list[str]:
        """Errors of scripts and violated policies so far; refused requests are none."""
        self.tab.run("document.title")  # as above
        return [one for one in self.tab.complaints if '"source": "network"' not in one]

    def begin(self, user: str) -> str:
        """Start a session of *user* in Talk; return its id."""
        self.user(user)
        self.click("#start")
        self.read("#conn", "live")
        return self.session()

    def session(self) -> str:
        """The id of the session that was chosen last."""
        found: str = self.run("return JSON.parse(sessionStorage['kato-sessions'])[0];")
        return found

    def observe(self, *symbols: str, nth: int) -> None:
        """Type an event, and wait until the short-term memory has *nth* events."""
        self.run("$('#in').focus();")
        for symbol in symbols:
            self.tab.press(text=symbol)
            self.tab.press(" ")
        self.tab.press("Enter")
        self.run(f"await until(() => document.querySelectorAll('#stm li').length === {nth} + 1);")

    def converse(self) -> None:
        """In a new session of the chosen user, learn a pattern, and wait until it is predicted."""
        self.click("#start")
        self.read("#conn", "live")
        self.observe("bread", "butter", nth=1)
        self.observe("jam", nth=2)
        self.tab.press("Control+Enter")
        self.read("#s-h + span", "empty")
        self.observe("bread", "butter", nth=1)  # one symbol is too few
        self.see(".pred")

    def drop(self, selector: str, name: str, content: str | bytes) -> None:
        """Drop a file."""
        raw = content if isinstance(content, bytes) else content.encode()
        packed = json.dumps(base64.b64encode(raw).decode())
        self.run(
            f"const bytes = Uint8Array.from(atob({packed}), each => each.charCodeAt(0));"
            f" const data = new DataTransfer();"
            f" data.items.add(new File([bytes], {json.dumps(name)}));"
            f" $({json.dumps(selector)}).dispatchEvent("
            "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));"
        )

    def picture(self, name: str) -> None:
        self.run("await document.fonts.ready; await new Promise(requestAnimationFrame);")
        self.tab.picture(PICTURES / f"{name}.png")
