"""Users, sessions and instances see nothing of each other, whatever their names."""

import http.client
import json
from collections.abc import Callable
from itertools import product
from typing import Any
from unicodedata import normalize
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kato_service.domain.identity import is_user_id
from kato_service.errors import SettingsError
from kato_service.settings.settings import read_settings
from support import patient

Start = Callable[..., str]

NASTY = [
    *(
        "acme-1",
        "acme_1",
        "acme.1",
        "ACME_1",
        "acme 1",
        "a/b",
        "a%2Fb",
        "%2F",
        "./",
        "..a",
        "$",
        "*",
    ),
    *("{x}", "}:stm", "~", ":", " ", "?", "#", "\\x00", "%00", "\\u0000", "null", "None", "0"),
    *("\U0001f600", "é", "e\u0301", "ß", "SS", "ı", "x" * 256, "x" * 255, "'; drop table log;--"),
]
ALTERED: list[Callable[[str], str]] = [
    str.upper,
    str.lower,
    lambda text: normalize("NFD", text),
    lambda text: normalize("NFKC", text),
    lambda text: text.replace("-", "_"),
    lambda text: text + " ",
    lambda text: text[:-1],
    quote,
]


@st.composite
def users(draw: st.DrawFn) -> list[str]:
    """Ids that are easily confused."""
    printable = st.text(min_size=1, max_size=20).filter(str.isprintable)
    some = draw(st.lists(st.one_of(st.sampled_from(NASTY), printable), min_size=1, max_size=2))
    altered = [draw(st.sampled_from(ALTERED))(user) for user in some]
    found = dict.fromkeys((*some, *altered))
    return list(filter(is_user_id, found))


@pytest.fixture(scope="module", params=["embedded", "servers"])
def url(request: pytest.FixtureRequest, start_service: Start) -> str:
    if request.param == "embedded":
        return start_service(MAX_SESSIONS_PER_USER="10000")
    return start_service(**on_servers(request, uuid4().hex), MAX_SESSIONS_PER_USER="10000")


def on_servers(request: pytest.FixtureRequest, database: str) -> dict[str, str]:
    return {
        "REDIS_URL": request.getfixturevalue("redis_url"),
        "MONGO_BASE_URL": request.getfixturevalue("mongo_url"),
        "MONGO_DATABASE": database,
        "MONGO_POOL_MIN_SIZE": "0",
        "QDRANT_URL": request.getfixturevalue("qdrant_url"),
    }


@pytest.fixture(scope="module")
def learned(url: str) -> dict[str, list[str]]:
    """What each user learned so far."""
    return {}


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(names=users())
def test_users_share_nothing_whatever_their_names(
    url: str, learned: dict[str, list[str]], names: list[str]
) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        sessions = {name: created(client, user_id=name) for name in names}
        for name, session in sessions.items():
            symbol = uuid4().hex
            learned.setdefault(name, []).append(symbol)
            observe(client, session, symbol, learn_at_end=True)
            observe(client, session, f"{symbol} again")
        for name, session in sessions.items():
            assert patterns(client, session) == learned[name]
            (event,) = client.get(f"{session}/stm").json()["stm"]
            assert event == [f"{learned[name][-1]} again", "x"]


def created(client: httpx.Client, **fields: Any) -> str:
    response = client.post("/v2/sessions", json=fields)
    assert response.status_code == 200, response.text
    return f"/v2/sessions/{response.json()['session_id']}"


def observe(client: httpx.Client, session: str, symbol: str, **more: Any) -> None:
    body = {"observations": [{"strings": [symbol, "x"]}], **more}
    response = client.post(f"{session}/observe-sequence", json=body)
    assert response.status_code == 200, response.text


def patterns(client: httpx.Client, session: str) -> list[str]:
    """The first symbol of each pattern, in order of first learn."""
    page = client.get(f"{session}/patterns", params={"limit": 1000}).json()
    return [pattern["pattern_data"][0][0] for pattern in page["patterns"]]


@pytest.mark.parametrize("user", ["", "x" * 257, "a\x00b", "\n", "a\u200bb", "\ud800", 5, []])
def test_an_invalid_user_id_is_refused(service_url: str, user: object) -> None:
    body = json.dumps({"user_id": user})
    headers = {"content-type": "application/json"}
    response = patient.post(f"{service_url}/v2/sessions", content=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("session_id", NASTY)
def test_a_strange_session_id_is_not_found(service_url: str, session_id: str) -> None:
    """Sent exactly as it is: an HTTP client that normalises paths would hide most cases."""
    spellings = (quote(session_id, safe=""), quote(session_id))
    for (method, rest), spelled in product(ON_SESSIONS, spellings):
        status, body = asked(service_url, method, f"/v2/sessions/{spelled}{rest}")
        assert (status, body["error"]["code"]) in NOT_FOUND, spelled
        assert body["detail"] == body["error"]["message"]


ON_SESSIONS = [("GET", ""), ("GET", "/stm"), ("POST", "/learn"), ("DELETE", "")]
NOT_FOUND = [(404, "SESSION_NOT_FOUND"), (404, "NOT_FOUND")]


def asked(url: str, method: str, path: str) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["acme-1", "acme_1", "ACME.1", ".", "..", "x" * 110])
def test_a_valid_processor_id_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_ID", name)
    assert read_settings().processor_id == name


@pytest.mark.parametrize(
    "name",
    [
        *("a/b", "%2F", "a b", "a:b", "a~b", "{a}", "$", "*", "é", "\U0001f600", "acme\n", "\n"),
        *("x" * 111, "x" * 256, "\\x00", " "),
    ],
)
def test_an_invalid_processor_id_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_ID", name)
    with pytest.raises(SettingsError, match="PROCESSOR_ID"):
        read_settings()


def test_instances_with_similar_names_on_the_same_stores_share_nothing(
    request: pytest.FixtureRequest, start_service: Start
) -> None:
    tag, database = uuid4().hex[:8], uuid4().hex
    names = [f"{tag}-1", f"{tag}_1", f"{tag}_1".upper(), tag]
    stores = on_servers(request, database)
    urls = [start_service(**stores, PROCESSOR_ID=name) for name in names]
    clients = [httpx.Client(base_url=url, timeout=60) for url in urls]
    sessions = [created(client, user_id="me") for client in clients]
    for number, (client, session) in enumerate(zip(clients, sessions, strict=True)):
        observe(client, session, str(number), learn_at_end=True)
        client.post(f"{session}/observe", json={"vectors": [[1.0] * (number + 1)]})
    for number, client in enumerate(clients):
        assert patterns(client, sessions[number]) == [str(number)]
        assert client.get(f"{sessions[number]}/stm").json()["length"] == 1
        for session in sessions[:number] + sessions[number + 1 :]:
            assert client.get(f"{session}/stm").status_code == 404
        assert client.get("/v2/sessions/count").json()["active_session_count"] == 1
        client.close()
