"""The page of the documents in Chromium, without internet, behind a key and below a path.

`make browser-test` installs the browser.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.browser import CHROMIUM, Tab, offline_tab
from support.services import NewService, ServiceProcess

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed; `make browser-test` installs it"
)
KEY = "a-key-to-paste"
PREFIX = "/tools/kato"

TOOLS = """
async function until(find) {
  for (let i = 0; i < 600; i++) {
    const found = find();
    if (found) return found;
    await new Promise(done => setTimeout(done, 50));
  }
  throw new Error("it did not appear: " + find);
}
const one = selector => until(() => document.querySelector(selector));
function type(field, text) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", {bubbles: true}));
}
async function execute(id) {
  const part = selector => document.querySelector(`#${id} ${selector}`);
  await one("#" + id);
  if (!part(".execute")) part(".opblock-summary-control").click();
  (await until(() => part(".execute"))).click();
  const answer = await until(() => part(".live-responses-table tbody .response-col_status"));
  const status = answer.textContent.trim();
  (await until(() => part(".btn-clear"))).click();
  await until(() => !part(".live-responses-table"));
  return status;
}
async function authorize(scheme, secret) {
  (await one(".btn.authorize")).click();
  await one(".modal-ux .auth-container");
  const form = [...document.querySelectorAll(".modal-ux .auth-container")]
    .find(each => each.textContent.includes(scheme));
  type(form.querySelector("input"), secret);
  form.querySelector(".authorize").click();
  await until(() => form.querySelector(".modal-btn") && form.textContent.includes("Authorized"));
  document.querySelector(".modal-ux .btn-done").click();
}
"""


@pytest.fixture(scope="module")
def service(new_lasting_service: NewService) -> ServiceProcess:
    service = new_lasting_service(API_KEY=KEY, ROOT_PATH=PREFIX, VECTORS="disabled")
    service.start()
    service.await_ready()
    return service


class _Proxy(BaseHTTPRequestHandler):
    """Publishes a service below `PREFIX`, and says nothing about that to it."""

    service = ""

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        path = self.path.removeprefix(PREFIX) if self.path.startswith(PREFIX) else "/outside"
        answer = httpx.request(
            self.command, self.service + path, headers=headers, content=self.rfile.read(size)
        )
        self.send_response(answer.status_code)
        for name in ("content-type", "content-security-policy"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815 - the base's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def published(new_service: NewService) -> Iterator[str]:
    """Where a keyless service is published that knows nothing of it."""
    service = new_service(VECTORS="disabled")
    service.start()
    service.await_ready()
    handler = type("Handler", (_Proxy,), {"service": service.url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}{PREFIX}"
        finally:
            proxy.shutdown()
            thread.join()


@pytest.fixture
def tab(service: ServiceProcess, tmp_path: Path) -> Iterator[Tab]:
    with offline_tab(tmp_path) as tab:
        tab.open(f"{service.url}{PREFIX}/docs")
        yield tab


def test_the_page_shows_every_operation_and_asks_nobody_else(
    service: ServiceProcess, tab: Tab
) -> None:
    ids = tab.run(
        f"""(async () => {{ {TOOLS}
          await one("#operations-health-get_status");
          return [...document.querySelectorAll(".opblock")].map(each => each.id);
        }})()"""
    )
    document = httpx.get(f"{service.url}/openapi.json").json()
    shown = [
        f"operations-{operation['tags'][0]}-{operation['operationId']}"
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert set(ids) == set(shown)
    own = (f"{service.url}{PREFIX}/", "data:")
    assert [address for address in tab.requested if not address.startswith(own)] == []


def test_the_older_paths_can_be_selected(tab: Tab) -> None:
    found = tab.run(
        f"""(async () => {{ {TOOLS}
          await one("#operations-health-get_status");
          const choice = await one(".topbar select");
          choice.selectedIndex = 1;
          choice.dispatchEvent(new Event("change", {{bubbles: true}}));
          return (await one("#operations-v1-post_v1_observe")).textContent;
        }})()"""
    )
    assert "/v1/observe" in found


@pytest.mark.parametrize("scheme", ["apiKey", "bearer"])
def test_authorize_lets_operations_be_tried(tab: Tab, scheme: str) -> None:
    found = tab.run(
        f"""(async () => {{ {TOOLS}
          const before = await execute("operations-sessions-count_sessions");
          await authorize({json.dumps(scheme)}, {json.dumps(KEY)});
          return [before, await execute("operations-sessions-count_sessions"),
                  await execute("operations-sessions-create_session")];
        }})()"""
    )
    assert found == ["401", "200", "200"]
    assert any(address.endswith(f"{PREFIX}/v2/sessions") for address in tab.requested)


def test_the_page_works_below_a_path_that_nobody_told_the_service(
    published: str, tmp_path: Path
) -> None:
    with offline_tab(tmp_path) as tab:
        tab.open(f"{published}/docs")
        status = tab.run(
            f"(async () => {{ {TOOLS} return execute('operations-sessions-create_session'); }})()"
        )
    assert status == "200"
    own = (f"{published}/", "data:")
    assert [address for address in tab.requested if not address.startswith(own)] == []
