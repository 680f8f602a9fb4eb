"""docs/compatibility.md says what a running service does: every row is asked."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from kato_service.settings.settings import Settings
from support.waiting import until

PAGE = Path(__file__).resolve().parents[2] / "docs/compatibility.md"
WORKS, IGNORED, REFUSED = "works", "accepted and ignored", "refused"
VECTOR = [0.5, 0.25]


@dataclass(frozen=True)
class Row:
    names: tuple[str, ...]
    """What is in backticks in the first cell."""
    verdict: str
    cells: tuple[str, ...]


def rows_below(heading: str) -> list[Row]:
    """The rows of the tables in the section."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
    return [Row(tuple(re.findall(r"`([^`]+)`", each[0])), each[2], each) for each in cells]


@pytest.fixture(scope="module")
def url(start_service: Callable[..., str]) -> str:
    return start_service()


@pytest.fixture
def api(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


class Conversation:
    """A session with something in it, so that every operation has something to answer with."""

    def __init__(self, api: httpx.Client) -> None:
        self.user = uuid4().hex
        self.session = api.post("/v2/sessions", json={"user_id": self.user}).json()["session_id"]
        path = f"/v2/sessions/{self.session}"
        events = [{"strings": ["a"]}, {"strings": ["b"]}]
        learned = api.post(
            f"{path}/observe-sequence", json={"observations": events, "learn_at_end": True}
        ).json()
        self.pattern = learned["final_learned_pattern"]
        api.post(f"{path}/observe", json={"strings": ["a"], "vectors": [VECTOR]})
        stm = api.get(f"{path}/stm").json()["stm"]
        self.vector = next(symbol for symbol in stm[0] if symbol.startswith("VCTR|"))

    def filled(self, path: str) -> str:
        values = {
            "{id}": self.session,
            "{name}": self.pattern,
            "{symbol}": self.vector,
            "{gene}": "recall_threshold",
        }
        for placeholder, value in values.items():
            path = path.replace(placeholder, value)
        return path


BODIES: dict[str, Any] = {
    "observe": {"strings": ["c"]},
    "observe-sequence": {"observations": [{"strings": ["c"]}]},
    "config": {"config": {"recall_threshold": 0.2}},
    "update": {"genes": {"recall_threshold": 0.2}},
    "{name}": {"frequency": 2},
    "vectors:nearest": {"vector": VECTOR},
}


def asked(api: httpx.Client, method: str, path: str) -> int:
    """The status of the answer."""
    talk = Conversation(api)
    body = BODIES.get(path.rpartition("/")[2])
    if path in ("/sessions", "/v2/sessions") and method == "POST":
        body = {"node_id" if path == "/sessions" else "user_id": talk.user}
    query = {"ttl_seconds": "60"} if path.endswith("/extend") else {}
    headers = selecting(talk, path)
    sent = None if method in ("GET", "DELETE", "HEAD") else body
    return api.request(
        method, talk.filled(path), json=sent, params=query, headers=headers
    ).status_code


def selecting(talk: Conversation, path: str) -> dict[str, str]:
    """The header that selects the session on a path that does not name it."""
    return {} if path.startswith(("/v2", "/sessions")) else {"X-Session-ID": talk.session}


def socket_opens(url: str, path: str, api: httpx.Client) -> bool:
    address = url.replace("http", "ws", 1) + Conversation(api).filled(path)
    try:
        with connect(address, open_timeout=30) as socket:
            socket.send(json.dumps({"type": "ping", "id": 1}))
            socket.recv(timeout=10)
            return True
    except (WebSocketException, TimeoutError, OSError):
        return False


def test_endpoints(api: httpx.Client, url: str) -> None:
    # The service takes its first sample some seconds after its start.
    until(lambda: api.get("/metrics/kato_cpu_usage_percent").is_success, "the first sample")
    wrong = []
    for row in rows_below("Endpoints"):
        for name in row.names:
            method, path = name.split(" ")
            if method == "WS":
                found = WORKS if socket_opens(url, path, api) else REFUSED
            else:
                status = asked(api, method, path)
                assert status < 500, name
                found = WORKS if status < 300 else REFUSED
            if (row.verdict == REFUSED) != (found == REFUSED):
                wrong.append(f"{name}: {found}, but the table says {row.verdict}")
    assert wrong == []


def test_configuration_names(api: httpx.Client) -> None:
    wrong = []
    for row in rows_below("Configuration names"):
        values = {name: json.loads(re.findall(r"`([^`]+)`", row.cells[1])[0]) for name in row.names}
        for name, value in values.items():
            for prefix, user in (("/v2/sessions", "user_id"), ("/sessions", "node_id")):
                session = api.post(prefix, json={user: uuid4().hex}).json()["session_id"]
                answer = api.post(f"{prefix}/{session}/config", json={"config": {name: value}})
                ignored = answer.json().get("ignored", [])
                found = REFUSED if answer.is_error else IGNORED if name in ignored else WORKS
                if found != row.verdict:
                    wrong.append(f"{prefix} {name}: {found}, but the table says {row.verdict}")
    assert wrong == []


def test_fields_of_answers(api: httpx.Client) -> None:
    wrong = []
    for row in rows_below("Fields"):
        method, path = row.names[0].split(" ")
        for field in re.findall(r"`([^`]+)`", row.cells[1]):
            found = field_in(api, method, path, field)
            if found != (row.verdict == WORKS):
                is_there = "is" if found else "is not"
                wrong.append(f"{row.names[0]}: {field} {is_there} in the answer")
    assert wrong == []


def field_in(api: httpx.Client, method: str, path: str, field: str) -> bool:
    """Whether the answer has the field, or the first object of a list in the answer has it."""
    answer = answers(api, method, path)
    objects = [answer]
    for value in answer.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            objects.append(value[0])
        if isinstance(value, dict):
            objects.append(value)
    return any(field in each for each in objects)


_ANSWERS: dict[tuple[str, str], dict[str, Any]] = {}


def answers(api: httpx.Client, method: str, path: str) -> dict[str, Any]:
    if (method, path) not in _ANSWERS:
        talk = Conversation(api)
        body = BODIES.get(path.rpartition("/")[2])
        if path == "/sessions":
            body = {"node_id": talk.user}
        if path.endswith("/predictions"):
            api.post(f"/v2/sessions/{talk.session}/observe", json={"strings": ["b"]})
        sent = None if method == "GET" else body
        query = {"ttl_seconds": "60"} if path.endswith("/extend") else {}
        headers = selecting(talk, path)
        answer = api.request(method, talk.filled(path), json=sent, params=query, headers=headers)
        _ANSWERS[method, path] = answer.json() if answer.is_success else {}
    return _ANSWERS[method, path]


def test_environment_variables(start_service: Callable[..., str]) -> None:
    rows = rows_below("Environment variables")
    values = {
        name: re.findall(r"`([^`]*)`", row.cells[1])[0]
        for row in rows
        for name in row.names
        if row.verdict == IGNORED
    }
    url = start_service(**values)
    assert httpx.get(f"{url}/health/ready").status_code == 200
    known = {
        alias
        for field in Settings.model_fields.values()
        for alias in getattr(field.validation_alias, "choices", [field.validation_alias])
    }
    said = {name for row in rows for name in row.names if row.verdict == WORKS}
    assert said <= known
    assert not known & set(values)
