"""What a page of another origin can do to a keyless instance, shown in Chromium: nothing.

`make browser-test` installs the browser. The rules themselves are tested in test_cross_origin.py,
without one.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support import patient
from support.browser import CHROMIUM, PATIENCE_S, browser
from support.services import NewService, ServiceProcess

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed; `make browser-test` installs it"
)

ATTACKS = """<!doctype html><iframe name="sink"></iframe><script>
const target = TARGET, session = SESSION, report = {};
const observation = JSON.stringify({strings: ["from", "a", "page"]});
const opaque = {mode: "no-cors", method: "POST"};

async function attempt(name, path, options) {
  try {
    const answer = await fetch(target + path, options);
    report[name] = answer.type === "opaque" ? "opaque" : "read " + answer.status;
  } catch { report[name] = "refused"; }
}
function submitted(path) {
  const form = document.createElement("form");
  Object.assign(form, {action: target + path, method: "post", target: "sink"});
  form.enctype = "text/plain";
  const field = document.createElement("input");
  Object.assign(field, {name: '{"strings":["form"],"metadata":{"x":"', value: '"}}'});
  form.append(field); document.body.append(form); form.submit();
}
function socket(path) {
  return new Promise(done => {
    const opened = new WebSocket(target.replace("http", "ws") + path);
    opened.onopen = () => {
      opened.send(JSON.stringify({type: "observe", payload: JSON.parse(observation)}));
      opened.onmessage = () => done("read");
    };
    opened.onerror = () => done("refused");
  });
}
function image(path) {
  return new Promise(done => {
    const picture = new Image();
    picture.onload = picture.onerror = done; picture.src = target + path;
  });
}
(async () => {
  const path = "/v2/sessions/" + session;
  await attempt("read", path + "/stm");
  await attempt("json", path + "/observe",
    {method: "POST", headers: {"Content-Type": "application/json"}, body: observation});
  await attempt("delete", path, {method: "DELETE"});
  await attempt("text", path + "/observe", {...opaque, body: observation});
  await attempt("blob", "/v1/observe", {...opaque, body: new Blob([observation])});
  await attempt("blob for nothing", path + "/clear-all", {...opaque, body: new Blob(["{}"])});
  await attempt("no body", path + "/clear-all", opaque);
  await attempt("no referrer", path + "/learn", {...opaque, referrerPolicy: "no-referrer"});
  await attempt("opaque delete", path, {mode: "no-cors", method: "DELETE"});
  await attempt("opaque read", "/v1/stm", {mode: "no-cors"});
  report.socket = await socket(path + "/ws");
  report["older socket"] = await socket("/ws");
  navigator.sendBeacon(target + "/v1/observe", new Blob([observation]));
  await image("/v1/stm");
  submitted("/v1/observe"); submitted(path + "/clear-all");
  await new Promise(done => setTimeout(done, 1000));
  await fetch("/report", {method: "POST", body: JSON.stringify(report)});
})();
</script>"""


CONVERSATION = """<!doctype html><script>
const report = {}, key = btoa(KEY).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const socket = new WebSocket(TARGET, ["kato", "kato.key." + key]);
const done = () => fetch("/report", {method: "POST", body: JSON.stringify(report)});
socket.onopen = () => {
  report.protocol = socket.protocol;
  socket.send(JSON.stringify({type: "subscribe", id: 1}));
};
socket.onmessage = message => {
  const frame = JSON.parse(message.data);
  report[frame.type] = frame.payload.stm_length;
  if (frame.type === "subscribed") {
    socket.send(JSON.stringify({type: "observe", id: 2, payload: {strings: ["b"]}}));
  }
  if ("predictions" in report && "observation_result" in report) done();
};
socket.onerror = done;
</script>"""


class _Site(ThreadingHTTPServer):
    """Another origin on this machine: serves one page and takes what the page reports."""

    page = ""
    report: dict[str, str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reported = threading.Event()

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        self._answer(self.server.page.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.report = json.loads(body)
        self._answer(b"")
        self.server.reported.set()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[_Site]:
    with _Site() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _attacked(service: ServiceProcess, session: str, site: _Site, profile: Path) -> dict[str, str]:
    """What a page of *site* reports after it tried everything."""
    known = {"TARGET": service.url, "SESSION": session}
    return _reported(ATTACKS, known, site, profile)


def _reported(page: str, known: dict[str, str], site: _Site, profile: Path) -> dict[str, Any]:
    """What *page* reports, in which the names of *known* stand for their values."""
    site.page = page
    for name, value in known.items():
        site.page = site.page.replace(name, json.dumps(value), 1)
    with browser(f"{site.origin}/", profile):
        assert site.reported.wait(PATIENCE_S), "the page did not report in time"
    return site.report


def _state(service: ServiceProcess, session: str) -> list[Any]:
    path = f"{service.url}/v2/sessions"
    paths = (f"{path}/{session}/stm", f"{path}/{session}/patterns", f"{path}/count")
    return [patient.get(one).json() for one in paths]


def _started(new_service: NewService, **variables: str) -> tuple[ServiceProcess, str]:
    """A service with one session that has learned and observed something."""
    service = new_service(VECTORS="disabled", **variables)
    service.start()
    service.await_ready()
    path = f"{service.url}/v2/sessions"
    session: str = patient.post(path, json={"user_id": "me"}).json()["session_id"]
    for body in ({"strings": ["a"]}, {"strings": ["b"]}):
        patient.post(f"{path}/{session}/observe", json=body)
    patient.post(f"{path}/{session}/learn")
    patient.post(f"{path}/{session}/observe", json={"strings": ["a"]})
    return service, session


def test_a_foreign_page_reads_nothing_and_changes_nothing(
    new_service: NewService, site: _Site, tmp_path: Path
) -> None:
    service, session = _started(new_service)
    before = _state(service, session)
    report = _attacked(service, session, site, tmp_path)
    unreadable = {"text", "blob", "blob for nothing", "no body", "no referrer", "opaque read"}
    assert {name for name, outcome in report.items() if outcome == "opaque"} == unreadable
    assert {report[name] for name in report.keys() - unreadable} == {"refused"}
    assert _state(service, session) == before


def test_the_same_page_can_do_what_its_origin_is_allowed_to(
    new_service: NewService, site: _Site, tmp_path: Path
) -> None:
    service, session = _started(new_service, CORS_ORIGINS=site.origin)
    report = _attacked(service, session, site, tmp_path)
    assert (report["read"], report["json"], report["delete"]) == ("read 200",) * 3
    assert report["older socket"] == "read"
    assert patient.get(f"{service.url}/v2/sessions/{session}").status_code == 404


def test_a_page_sends_its_key_in_a_sub_protocol_and_subscribes(
    new_service: NewService, site: _Site, tmp_path: Path
) -> None:
    key = "a-key-of-the-page?>~"
    service = new_service(VECTORS="disabled", API_KEY=key, CORS_ORIGINS=site.origin)
    service.start()
    service.await_ready()
    path = f"{service.url}/v2/sessions"
    created = patient.post(path, headers={"x-api-key": key}).json()
    target = f"{path}/{created['session_id']}/ws".replace("http", "ws", 1)
    known = {"KEY": key, "TARGET": target}
    report = _reported(CONVERSATION, known, site, tmp_path)
    assert report == {
        "protocol": "kato",
        "subscribed": 0,
        "observation_result": 1,
        "predictions": 1,
    }
    assert key not in service.log
