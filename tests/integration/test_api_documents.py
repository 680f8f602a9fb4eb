"""What the OpenAPI documents promise is what a service answers."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from support.documents import Described, Document, operations
from support.patient import PATIENCE_S
from support.raw_http import asked, head

DOCUMENTS = ("/openapi.json", "/openapi-older.json")
KEY = "a-key-of-this-instance"
NOTHING = {"symbol": "nothing", "metric": "x"}


@pytest.fixture(scope="module")
def documented_url(start_service: Callable[..., str]) -> str:
    return start_service(MAX_BODY_BYTES="100000", RATE_LIMIT_PER_S="10000")


@pytest.fixture(scope="module")
def client(documented_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=documented_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module", params=DOCUMENTS, ids=["current", "older"])
def document(request: pytest.FixtureRequest, client: httpx.Client) -> Document:
    found: Document = client.get(request.param).json()
    return found


def prepared(client: httpx.Client) -> dict[str, str]:
    """A session with something of everything, and the values that paths need."""
    created = client.post("/v2/sessions", json={"user_id": uuid4().hex}).json()
    session = f"/v2/sessions/{created['session_id']}"
    events = [{"strings": [word], "emotives": {"joy": 0.5}} for word in ("hello", "world", "x")]
    events[0]["metadata"] = {"source": "test"}
    client.post(f"{session}/observe-sequence", json={"observations": events, "learn_at_end": True})
    client.post(f"{session}/observe", json={"strings": ["hello"], "vectors": [[0.1, 0.9]]})
    client.post(f"{session}/observe", json={"strings": ["world", "more"]})
    stm = client.get(f"{session}/stm").json()["stm"]
    name = client.get(f"{session}/patterns").json()["patterns"][0]["name"]
    symbol = next(one for one in stm[0] if one.startswith("VCTR|"))
    return {
        "session_id": created["session_id"],
        "user_id": created["user_id"],
        "name": name,
        "symbol": symbol,
        "metric": "kato_requests_total",
    }


def sent(
    client: httpx.Client, operation: Described, values: dict[str, str], body: Any, **headers: str
) -> httpx.Response:
    """The answer to a request that the document describes."""
    if "/gene/" in operation.path:
        values = values | {"name": "sort"}
    if operation.selects_session:
        headers = {"x-session-id": values["session_id"]} | headers
    path = operation.path.format(test_id="1", **values)
    arguments = operation.sent_body(body)
    arguments["headers"] = arguments.get("headers", {}) | headers
    return client.request(operation.method, path, **arguments)


def test_every_example_is_accepted_and_answered_as_described(
    client: httpx.Client, document: Document
) -> None:
    for operation in operations(document):
        for example in operation.examples():
            answer = sent(client, operation, prepared(client), example)
            assert answer.status_code == 200, (operation.id, example, answer.text)
            operation.check(answer)


def test_a_repeat_is_answered_as_described(client: httpx.Client, document: Document) -> None:
    for operation in operations(document):
        for example in operation.examples():
            if "unique_id" not in str(example):
                continue
            values = prepared(client)
            sent(client, operation, values, example)
            answer = sent(client, operation, values, example)
            found = answer.json()
            outcome = found["results"][0] if operation.id == "bulk_learn" else found
            assert outcome["repeated"] is True
            operation.check(answer)


def test_an_empty_session_is_answered_as_described(
    client: httpx.Client, document: Document
) -> None:
    for operation in operations(document):
        if operation.method != "GET" or re.search(
            r"\{(name|symbol|metric|test_id)\}", operation.path
        ):
            continue
        values = {
            "session_id": client.post("/v2/sessions").json()["session_id"],
            "user_id": "nobody",
        }
        operation.check(sent(client, operation, values, None))


def test_default_sessions_are_answered_as_described(client: httpx.Client) -> None:
    for operation in operations(client.get("/openapi-older.json").json()):
        if not operation.selects_session:
            continue
        for header in ("x-user-id", "x-node-id", "x-test-id"):
            path = operation.path.format(name="persistence", symbol="nothing")
            body = next(operation.examples())
            answer = client.request(
                operation.method, path, json=body, headers={header: uuid4().hex}
            )
            operation.check(answer)


Values = dict[str, str]


def _unknown_session(client: httpx.Client, operation: Described, _values: Values) -> httpx.Response:
    values = {"session_id": "nowhere", "user_id": "nobody", "name": "0" * 40} | NOTHING
    return sent(client, operation, values, next(operation.examples()))


def _unknown_pattern(client: httpx.Client, operation: Described, values: Values) -> httpx.Response:
    values = values | {"name": "0" * 40, "symbol": "nothing"}
    return sent(client, operation, values, next(operation.examples()))


def _wrong_field(client: httpx.Client, operation: Described, values: Values) -> httpx.Response:
    return sent(client, operation, values, {"strings": 5, "unique_id": 5, "genes": 5})


def _text(client: httpx.Client, operation: Described, values: Values) -> httpx.Response:
    return sent(client, operation, values, "x", **{"content-type": "text/plain"})


def _too_large(client: httpx.Client, operation: Described, values: Values) -> httpx.Response:
    return sent(client, operation, values, {"metadata": "x" * 200_000})


def _two_pages(client: httpx.Client, operation: Described, values: Values) -> httpx.Response:
    foreign = {"origin": "http://elsewhere.example"}
    return sent(client, operation, values, next(operation.examples()), **foreign)


@pytest.mark.parametrize(
    "tried",
    [_unknown_session, _unknown_pattern, _wrong_field, _text, _too_large, _two_pages],
    ids=lambda tried: tried.__name__.removeprefix("_"),
)
def test_refusals_are_answered_as_described(
    client: httpx.Client, document: Document, tried: Callable[..., httpx.Response]
) -> None:
    seen, values = set(), prepared(client)
    for operation in operations(document):
        answer = tried(client, operation, values)
        operation.check(answer)
        seen.add(answer.status_code)
        if answer.is_success and operation.method != "GET":
            values = prepared(client)  # this one was accepted, and may have changed what there was
    assert seen & {403, 404, 413, 415, 422}


def test_refusals_of_the_protocol_are_answered_as_described(
    client: httpx.Client, document: Document, documented_url: str
) -> None:
    operation = operations(document)[0]
    for status, fields in (
        (400, ("Host: a",)),
        (431, (f"x: {'x' * 70_000}",)),
        (501, ("Transfer-Encoding: gzip",)),
    ):
        answer = asked(documented_url, head(operation.method, operation.path, *fields))
        assert answer.status == status
        operation.check(httpx.Response(status, headers=answer.headers, content=answer.body))


@pytest.fixture(scope="module")
def keyed_url(start_service: Callable[..., str]) -> str:
    return start_service(
        API_KEY=KEY, MAX_SESSIONS_PER_USER="1", RATE_LIMIT_PER_S="1000", RATE_LIMIT_BURST="1"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=["current", "older"])
def test_callers_that_are_refused_are_answered_as_described(keyed_url: str, path: str) -> None:
    values = {"session_id": "x", "user_id": "x", "name": "0" * 40} | NOTHING
    with httpx.Client(base_url=keyed_url, timeout=PATIENCE_S) as client:
        for operation in operations(client.get(path).json()):
            answer = sent(client, operation, values, next(operation.examples()))
            operation.check(answer)
            refused = 401 if operation.content["security"] else 200
            assert answer.status_code in (refused, 429)


def test_a_caller_with_too_many_sessions_or_requests_is_answered_as_described(
    keyed_url: str,
) -> None:
    headers = {"x-api-key": KEY}
    with httpx.Client(base_url=keyed_url, timeout=PATIENCE_S, headers=headers) as client:
        create = operations(client.get("/openapi.json").json())[0]
        answers = [client.post("/v2/sessions", json={"user_id": "one"}) for _ in range(200)]
        for answer in answers:
            create.check(answer)
        codes = {one.json()["error"]["code"] for one in answers if one.status_code == 429}
        assert "SESSION_LIMIT_EXCEEDED" in codes


def test_building_a_document_holds_up_nobody_and_happens_once(
    start_service: Callable[..., str],
) -> None:
    url = start_service()
    answers: list[httpx.Response] = []

    def read(path: str) -> None:
        answers.append(httpx.get(url + path, timeout=PATIENCE_S))

    readers = [threading.Thread(target=read, args=(path,)) for path in DOCUMENTS * 4]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 2


PREFIXED = "/tools/kato"


@pytest.fixture(scope="module")
def prefixed_url(start_service: Callable[..., str]) -> str:
    return start_service(ROOT_PATH=f"{PREFIXED}/", TRUST_FORWARDED_HOST="true")


def servers(url: str, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"{url}/openapi.json", headers=given, timeout=PATIENCE_S).json().get("servers")


def test_without_a_prefix_a_document_names_no_server(documented_url: str) -> None:
    assert servers(documented_url) is None
    assert servers(documented_url, x_forwarded_prefix="/elsewhere") is None


@pytest.mark.parametrize("path", DOCUMENTS, ids=["current", "older"])
@pytest.mark.parametrize("left", ["", PREFIXED], ids=["removed", "left"])
def test_behind_a_proxy_the_documents_name_the_path_of_the_instance(
    prefixed_url: str, path: str, left: str
) -> None:
    answer = httpx.get(prefixed_url + left + path, timeout=PATIENCE_S)
    assert answer.json()["servers"] == [{"url": PREFIXED}]


@pytest.mark.parametrize(
    ("forwarded", "prefix"),
    [
        ("/other", "/other"),
        ("/other/", "/other"),
        ("/one, /two", "/one/two"),
        ("", ""),
        ("//evil.example", PREFIXED),
        ("http://evil.example", PREFIXED),
        ("/..", PREFIXED),
        ("/a b", PREFIXED),
        ("/<script>", PREFIXED),
    ],
)
def test_a_trusted_proxy_may_name_another_path(
    prefixed_url: str, forwarded: str, prefix: str
) -> None:
    expected = [{"url": prefix}] if prefix else None
    assert servers(prefixed_url, x_forwarded_prefix=forwarded) == expected


def test_everything_is_served_below_the_path_of_the_instance_as_well(prefixed_url: str) -> None:
    with httpx.Client(base_url=prefixed_url + PREFIXED, timeout=PATIENCE_S) as client:
        session_id = client.post("v2/sessions").json()["session_id"]
        assert client.get(f"v2/sessions/{session_id}").status_code == 200
        assert client.post("v1/observe", json={"strings": ["a"]}).json()["status"] == "okay"
        assert client.get("health/ready").status_code == 200
        assert client.get("docs").headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("nothing").status_code == 404
    address = f"{prefixed_url}{PREFIXED}/v2/sessions/{session_id}/ws".replace("http", "ws", 1)
    with connect(address) as socket:
        socket.send('{"type": "ping", "id": 1}')
        assert '"pong"' in str(socket.recv(PATIENCE_S))


def test_a_header_never_removes_a_prefix_from_the_path(prefixed_url: str) -> None:
    """Else a client could get around a proxy that withholds single paths."""
    answer = httpx.get(f"{prefixed_url}/x/metrics", headers={"x-forwarded-prefix": "/x"})
    assert answer.status_code == 404


def test_a_root_path_like_a_path_of_the_api_is_not_removed(
    start_service: Callable[..., str],
) -> None:
    url = start_service(ROOT_PATH="/v2")
    answer = httpx.post(f"{url}/v2/sessions", timeout=PATIENCE_S)
    assert answer.json()["user_id"] is None  # as under /v2: the older path has a node_id
    assert servers(url) == [{"url": "/v2"}]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/page.js", "/docs/swagger-ui.css"])
def test_the_page_lets_nobody_frame_it_or_add_scripts(documented_url: str, path: str) -> None:
    answer = httpx.get(documented_url + path, timeout=PATIENCE_S)
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_has_a_file_need_not_load_it_again(documented_url: str) -> None:
    path = f"{documented_url}/docs/swagger-ui-bundle.js"
    first = httpx.get(path, timeout=PATIENCE_S)
    assert len(first.content) == int(first.headers["content-length"]) > 1_000_000
    again = httpx.get(path, headers={"if-none-match": first.headers["etag"]}, timeout=PATIENCE_S)
    assert (again.status_code, again.content) == (304, b"")
    head = httpx.head(path, timeout=PATIENCE_S)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]
