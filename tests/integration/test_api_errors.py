"""What an answer says of a wrong request: the place, the reason, and a sentence in plain words."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from kato_service.api.shapes.bulk.bodies import LearnLine
from support import raw_http
from support.patient import PATIENCE_S
from support.routes import Route, routes
from support.wrong_requests import (
    ANY_BODY,
    LINE,
    PREDICT_OBSERVED,
    ROWS,
    SYNTAX,
    Place,
    Row,
    in_item,
)

ROUTES = routes()
WHOLE = {"limit", "offset", "intervals", "minutes", "ttl_seconds", "min_frequency", "max_frequency"}
"""Query parameters that are integers."""
WITH_BODY = [route for route in ROUTES if route.model is not None]
STRICT = [route for route in ROUTES if not route.any_query]
OBSERVED = "emotives, metadata, strings, unique_id, vector_labels, vectors"
"""The fields of an observation."""
IN_LINE = OBSERVED.replace("unique_id, ", "")
"""Those that it has in a line of a bulk learn."""
PADDING = b"\n" * 300_000
"""Makes a body so large that it is read in a thread."""
JSON = {"content-type": "application/json"}
JARGON = re.compile(
    r"Input should|Extra inputs|[Vv]alue error|valid (dictionary|list|string|integer|number)"
    r"|instance of|[A-Z][a-z]+Body|GeneOverrides|ObservationItem|SequenceItem|Frame\b|pydantic|"
    r"\b(str|int|float|bool|dict|NoneType)\b|not permitted|(?<!\bindexer)_type|validat|orjson|"
    r"the request is not"
)


def assert_refused(content: dict[str, Any], row: Row, place: Place, message: str) -> None:
    assert_error(content["error"], row, place, message)
    assert content["detail"] == message


def assert_error(error: dict[str, Any], row: Row, place: Place, message: str) -> None:
    assert (error["code"], error["message"]) == (row.code, message)
    first = error["details"][0]
    assert first["location"] == list(place)
    assert all(set(each) == {"location", "reason"} for each in error["details"])
    assert not JARGON.search(json.dumps(error)), error


def sent(client: httpx.Client, route: Route, session_id: str, raw: bytes) -> dict[str, Any]:
    headers = {**JSON, "x-session-id": session_id}
    answer = client.request(route.method, route.at(session_id), content=raw, headers=headers)
    assert answer.status_code == 422, (route, raw[:200], answer.text)
    assert answer.headers["content-type"] == "application/json"
    content: dict[str, Any] = answer.json()
    return content


@pytest.fixture(scope="module")
def client(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def session(client: httpx.Client) -> str:
    """A session that every refused request leaves as it is."""
    made = client.post("/v2/sessions", json={"user_id": uuid4().hex}).json()
    session_id: str = made["session_id"]
    return session_id


@pytest.fixture(autouse=True)
def unchanged(client: httpx.Client, session: str) -> Iterator[None]:
    yield
    after = client.get(f"/v2/sessions/{session}").json()
    assert (after["time"], after["stm_length"]) == (0, 0)


def test_every_body_has_rows_for_every_field() -> None:
    assert {route.model for route in WITH_BODY} == set(ROWS)
    for model, rows in ROWS.items():
        named = {row.place[0] for row in rows if row.place}
        assert set(model.model_fields) - {"unique_id"} <= named, model


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "large"])
def test_a_body_that_cannot_be_taken_as_it_is_sent_is_refused_at_its_place(
    client: httpx.Client, session: str, route: Route, padding: bytes
) -> None:
    for row in ANY_BODY:
        raw = row.raw if row.raw.startswith(b"\xef") else padding + row.raw
        content = sent(client, route, session, raw)
        at = len(padding) + 7
        message = row.message.replace("byte 7", f"byte {at}")
        assert_refused(content, row, ("body", *row.place), message)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "large"])
def test_what_is_not_json_is_refused_with_line_and_column(
    client: httpx.Client, session: str, route: Route, padding: bytes
) -> None:
    for row in SYNTAX:
        content = sent(client, route, session, padding + row.raw)
        words = row.message.format(line=len(padding) + 1)
        assert_refused(content, row, ("body",), f"the body is not valid JSON: {words}")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_every_wrong_field_is_named_with_what_it_must_be(
    client: httpx.Client, session: str, route: Route
) -> None:
    assert route.model is not None
    for row in ROWS[route.model]:
        if not row.is_refused_at(route.path):
            continue
        content = sent(client, route, session, row.raw)
        message = row.message.replace("{known}", OBSERVED)
        assert_refused(content, row, ("body", *row.place), message)


def test_lines_have_rows_for_every_field() -> None:
    assert set(LearnLine.model_fields) == {row.place[0] for row in LINE if row.place} - {"evnts"}


def test_what_a_batch_cannot_observe_is_named_where_it_is(client: httpx.Client) -> None:
    outcomes = set()
    for row in PREDICT_OBSERVED:
        placed = in_item("items", {"events": []}, row)
        answer = client.post("/v2/predict:batch", content=placed.raw, headers=JSON)
        outcomes.add(answer.status_code)
        message = placed.message.replace("{known}", OBSERVED)
        if answer.status_code == 422:
            assert_refused(answer.json(), row, ("body", *placed.place), message)
            continue
        first, second = answer.json()["results"]
        assert first["result"]["predictions"] == []
        assert_error(second["error"], row, ("body", *placed.place), message)
    assert outcomes == {200, 422}


def test_every_wrong_field_of_a_sequence_to_learn_is_named(client: httpx.Client) -> None:
    for row in LINE:
        placed = in_item("sequences", {}, row)
        answer = client.post("/v2/learn", content=placed.raw, headers=JSON)
        assert answer.status_code == 200, (row, answer.text)
        error = answer.json()["results"][1]["error"]
        message = placed.message.replace("{known}", IN_LINE)
        assert_error(error, row, ("body", *placed.place), message)


def test_every_wrong_field_of_a_line_to_learn_is_named(client: httpx.Client) -> None:
    raw = b"\n".join(row.raw for row in LINE)
    answer = client.post("/v2/learn", content=raw, headers={"content-type": "application/x-ndjson"})
    *lines, last = map(json.loads, answer.text.splitlines())
    assert last["summary"]["errors"] == len(LINE)
    for row, line in zip(LINE, lines, strict=True):
        message = row.message.replace("{known}", IN_LINE).replace("the body", "the line")
        assert_error(line["error"], row, ("line", *row.place), message)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_required_body_is_asked_for(client: httpx.Client, session: str, route: Route) -> None:
    if route.required:
        for raw in (b"", b"null", b" null " + b" " * 300_000):
            content = sent(client, route, session, raw)
            assert_refused(content, Row(raw, (), ""), ("body",), "a JSON body is required")


@pytest.mark.parametrize("route", STRICT, ids=str)
def test_an_unknown_query_parameter_is_refused_with_the_nearest_known_one(
    client: httpx.Client, session: str, route: Route
) -> None:
    names = ", ".join(sorted(route.parameters))
    none = "is not known: this operation takes no query parameters"
    reason = f"is not known; known: {names}" if names else none
    assert_query_refused(client, route, session, "zzz=1", ("query", "zzz"), reason)
    for name in route.parameters:
        close = name[:-1]
        reason = f"is not known; did you mean {name}?"
        assert_query_refused(client, route, session, f"{close}=1", ("query", close), reason)
        reason = "must not be sent more than once"
        twice = f"{name}=1&{name}=1"
        assert_query_refused(client, route, session, twice, ("query", name), reason)


@pytest.mark.parametrize("route", STRICT, ids=str)
def test_a_query_that_is_not_utf_8_is_refused(
    client: httpx.Client, session: str, route: Route
) -> None:
    reason = "must be valid UTF-8, percent-encoded"
    assert_query_refused(client, route, session, "a=%ff", ("query",), reason)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/users/Jos%e9",
        "/v2/users/%2F%ff/configuration",
        "/v2/sessions/%c3%28/stm",
        "/v1/gene/%80",
        "/symbols/%ED%A0%80/affinity",
    ],
)
def test_a_path_that_is_not_utf_8_is_refused_and_names_nothing(
    client: httpx.Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 422, answer.text
    message = "the path must be valid UTF-8, percent-encoded"
    assert_refused(answer.json(), Row(b"", (), ""), ("path",), message)


@pytest.mark.parametrize("path", ["/v2/users/%2E%2E", "/v2/users/%2e/configuration"])
def test_a_user_of_a_version_that_refused_fewer_names_can_be_asked_for(
    client: httpx.Client, path: str
) -> None:
    head = raw_http.head("GET", path, "Connection: close")
    answer = raw_http.asked(str(client.base_url).rstrip("/"), head)
    assert answer.status == (200 if path.endswith("configuration") else 404)


def test_the_mark_of_what_is_not_utf_8_is_a_character_like_others(client: httpx.Client) -> None:
    assert client.get("/v2/users/%EF%BF%BD").json()["error"]["code"] == "USER_NOT_FOUND"


def test_a_query_of_many_parameters_is_refused(client: httpx.Client, session: str) -> None:
    route = Route("GET", f"/v2/sessions/{session}/stm", any_query=False)
    query = "&".join(f"p{number}=1" for number in range(21))
    reason = "must not have more than 20 parameters"
    assert_query_refused(client, route, session, query, ("query",), reason)


def assert_query_refused(
    client: httpx.Client, route: Route, session: str, query: str, place: Place, reason: str
) -> None:
    subject = "the query" if len(place) == 1 else f"the query parameter {place[1]}"
    path = f"{route.at(session)}?{query}"
    if route.method == "WS":
        url = str(client.base_url).rstrip("/").replace("http", "ws", 1) + path
        with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=60):
            pass
        status, raw = refused.value.response.status_code, refused.value.response.body or b""
    else:
        answer = client.request(route.method, path)
        status, raw = answer.status_code, answer.content
    assert status == 422, (route, query)
    if route.method != "HEAD":
        assert_refused(json.loads(raw), Row(b"", (), ""), place, f"{subject} {reason}")


@pytest.mark.parametrize(
    ("path", "place", "message"),
    [
        ("/v2/sessions/{}/predictions?limit=0", "limit", "must be at least 1"),
        ("/v2/sessions/{}/predictions?limit=x", "limit", "must be a whole number"),
        ("/v2/sessions/{}/predictions?limit=", "limit", "must be a whole number"),
        ("/v2/sessions/{}/predictions?limit=10001", "limit", "must be at most 10000"),
        ("/v2/sessions/{}/predictions?recall_threshold=x", "recall_threshold", "must be a number"),
        (
            "/v2/sessions/{}/predictions?recall_threshold=nan",
            "recall_threshold",
            "must be a number",
        ),
        ("/v2/sessions/{}/predictions?recall_threshold=.5", "recall_threshold", "must be a number"),
        ("/v2/sessions/{}/predictions?explain=1", "explain", "must be true or false"),
        ("/sessions/{}/patterns?limit=1001", "limit", "must be at most 1000"),
        (
            "/v2/sessions/{}/patterns?cursor=x",
            "cursor",
            "must be the next_cursor of a page of this list",
        ),
        ("/v2/sessions?cursor=x", "cursor", "must be the next_cursor of a page of this list"),
        ("/sessions?cursor=" + "1" * 1025, "cursor", "must have at most 1024 characters"),
        ("/v2/sessions?user_id=", "user_id", "must not be empty"),
        ("/sessions?node_id=a%00", "node_id", "must consist of printable characters"),
        (
            "/v2/sessions?node_id=a&user_id=a",
            "node_id",
            "means the same as user_id; send only one of them",
        ),
        ("/v1/stm?user_id=", "user_id", "must not be empty"),
        ("/stm?node_id=a%00", "node_id", "must consist of printable characters"),
        ("/ws?user_id=" + "x" * 257, "user_id", "must have at most 256 characters"),
        (
            "/stm?node_id=a&user_id=b",
            "user_id",
            "names another user than the query parameter node_id; send only one of them",
        ),
    ],
)
def test_a_wrong_query_parameter_is_named(
    client: httpx.Client, session: str, path: str, place: str, message: str
) -> None:
    bare, query = path.format(session).split("?")
    found = Route("WS" if bare == "/ws" else "GET", bare, any_query=False)
    assert_query_refused(client, found, session, query, ("query", place), message)


@pytest.mark.parametrize("given", ["1.0", "1e1", "%2B1", "1_0", "%201"])
def test_whole_numbers_in_queries_are_digits(
    client: httpx.Client, session: str, given: str
) -> None:
    asked = [(route, name) for route in ROUTES for name in route.parameters if name in WHOLE]
    assert {name for _, name in asked} == WHOLE
    for route, name in asked:
        place, reason = ("query", name), "must be a whole number"
        assert_query_refused(client, route, session, f"{name}={given}", place, reason)


def test_query_and_body_that_disagree_are_refused(client: httpx.Client, session: str) -> None:
    path = f"/v2/sessions/{session}/extend?ttl_seconds=3600"
    answer = client.post(path, json={"ttl_seconds": 3601})
    reason = "differs from ttl_seconds of the body; send only one of them"
    message = f"the query parameter ttl_seconds {reason}"
    assert_refused(answer.json(), Row(b"", (), ""), ("query", "ttl_seconds"), message)
    assert client.post(path, json={"ttl_seconds": 3600}).status_code == 200


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("X-User-ID", "x" * 257, "must have at most 256 characters"),
        ("X-Node-ID", "x" * 257, "must have at most 256 characters"),
        ("X-Test-ID", "x" * 252, "must have at most 251 characters"),
        ("X-Test-ID", "test_" + "x" * 252, "must have at most 256 characters"),
        ("X-User-ID", "a\tb", "must consist of printable characters"),
        ("X-User-ID", "..", "must not be . or .., which no path of the API could name"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/stm", "/stm"])
def test_a_wrong_header_is_named(
    client: httpx.Client, path: str, header: str, value: str, reason: str
) -> None:
    answer = client.get(path, headers={header: value})
    message = f"the header {header} {reason}"
    assert_refused(answer.json(), Row(b"", (), ""), ("header", header), message)


def test_probes_and_pages_ignore_their_query(client: httpx.Client) -> None:
    ignoring = [route for route in ROUTES if route.any_query]
    assert len(ignoring) > 8
    for route in ignoring:
        assert client.request(route.method, f"{route.path}?zzz=1").status_code == 200, route


@pytest.mark.parametrize("path", ["", "/v1", "/v2", "/sessions", "/v2/sessions"])
def test_a_path_that_does_not_exist_has_the_envelope(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = client.request(method, f"{path}/no/such/path")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("route", [each for each in ROUTES if each.method != "WS"], ids=str)
def test_a_method_that_a_path_does_not_allow_is_answered_with_those_it_does(
    client: httpx.Client, session: str, route: Route
) -> None:
    allowed = {each.method for each in ROUTES if each.path == route.path}
    refused = {"DELETE", "GET", "PATCH", "POST", "PUT"} - allowed
    assert refused
    for method in sorted(refused):
        answer = client.request(method, route.at(session))
        found = (answer.status_code, answer.json()["error"]["code"])
        assert found == (405, "METHOD_NOT_ALLOWED"), method
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.fixture(params=["/v2/sessions/{}/ws", "/sessions/{}/ws", "/v1/ws", "/ws"])
def socket(
    request: pytest.FixtureRequest, service_url: str, session: str
) -> Iterator[ClientConnection]:
    url = service_url.replace("http", "ws", 1) + request.param.format(session)
    with connect(url, additional_headers={"x-session-id": session}, open_timeout=60) as connection:
        yield connection


def asked(socket: ClientConnection, raw: bytes) -> dict[str, Any]:
    socket.send(raw.decode("utf-8", "surrogateescape") if _is_text(raw) else raw)
    answer: dict[str, Any] = json.loads(socket.recv(timeout=60))
    assert answer.pop("type") == "error"
    return answer


def _is_text(raw: bytes) -> bool:
    try:
        return bool(raw.decode())
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "large"])
def test_a_frame_that_cannot_be_taken_as_it_is_sent_is_refused_at_its_place(
    socket: ClientConnection, padding: bytes
) -> None:
    for row in (*ANY_BODY, *SYNTAX):
        raw = row.raw if row.raw.startswith(b"\xef") else padding + row.raw
        message = row.message.replace("the body", "the frame")
        message = message.replace("byte 7", f"byte {len(padding) + 7}")
        if row in SYNTAX:
            message = f"the frame is not valid JSON: {message.format(line=len(padding) + 1)}"
        assert_refused(asked(socket, raw), row, row.place or ("frame",), message)


def test_a_wrong_field_of_a_payload_is_named_like_one_of_a_body(
    request: pytest.FixtureRequest, socket: ClientConnection
) -> None:
    strict = "/v2/" in request.node.name
    kinds = {"observe": "ObservationBody", "learn": "RepeatableBody", "clear_stm": "RepeatableBody"}
    models = {model.__name__: rows for model, rows in ROWS.items()}
    for kind, model in kinds.items():
        for row in models[model]:
            if row.strict_only and not strict:
                continue
            raw = b'{"type":"%s","payload":%s}' % (kind.encode(), row.raw)
            message = row.message.replace("{known}", OBSERVED)
            assert_refused(asked(socket, raw), row, ("payload", *row.place), message)


WRONG_ID = "id must be a text of at most 256 characters, or a number below 2^64"


@pytest.mark.parametrize(
    ("frame", "place", "message"),
    [
        ({}, ("type",), "Missing required field: type"),
        ({"type": 7}, ("type",), "type must be text"),
        ({"type": "ping", "id": [1]}, ("id",), WRONG_ID),
        ({"type": "ping", "id": True}, ("id",), WRONG_ID),
        ({"type": "observe", "payload": []}, ("payload",), "the payload must be an object"),
        (
            {"type": "get_predictions", "payload": {"limit": 0}},
            ("payload", "limit"),
            "limit must be at least 1",
        ),
        (
            {"type": "get_predictions", "payload": {"recall_threshold": 2}},
            ("payload", "recall_threshold"),
            "recall_threshold must be at most 1",
        ),
    ],
)
def test_a_wrong_field_of_a_frame_is_named(
    socket: ClientConnection, frame: dict[str, Any], place: Place, message: str
) -> None:
    content = asked(socket, json.dumps(frame).encode())
    content.pop("id", None)
    assert_refused(content, Row(b"", (), ""), place, message)


def test_an_unknown_type_of_frame_is_answered_with_the_known_ones(
    socket: ClientConnection,
) -> None:
    content = asked(socket, b'{"type":"dance"}')
    assert content["error"]["details"][0]["location"] == ["type"]
    assert content["error"]["message"].startswith("type must be one of observe, learn, get_stm")


def test_vectors_must_have_the_dimension_that_is_known(api: httpx.Client, session_id: str) -> None:
    path = f"/v2/sessions/{session_id}"
    assert api.post(f"{path}/observe", json={"vectors": [[1, 2]]}).status_code == 200
    reason = (
        "cannot have dimension 3 in this knowledge base, whose vectors have dimension 2: the first"
        " one fixed it until the next clear-all; send vectors of that dimension, or observe these"
        " as another user"
    )
    row = Row(b"", (), "", "VECTOR_DIMENSION")
    refused = api.post(f"{path}/observe", json={"vectors": [[1, 2, 3]]})
    assert_refused(refused.json(), row, ("body", "vectors", 0), f"vectors[0] {reason}")
    observations = [{}, {"strings": ["a"]}, {"vectors": [[1, 2, 3]]}]
    refused = api.post(f"{path}/observe-sequence", json={"observations": observations})
    place = ("body", "observations", 2, "vectors", 0)
    assert_refused(refused.json(), row, place, f"vectors[0] of observations[2] {reason}")


def test_an_instance_without_vectors_says_so(start_service: Any) -> None:
    url = start_service(VECTORS="disabled")
    body = {"observations": [{}, {"vectors": [[1, 2]]}]}
    refused = httpx.post(f"{url}/v1/observe-sequence", json=body, timeout=PATIENCE_S)
    row = Row(b"", (), "", "VECTORS_DISABLED")
    message = "vectors of observations[1] must be left out: this instance accepts no vectors"
    assert_refused(refused.json(), row, ("body", "observations", 1, "vectors"), message)


def test_an_event_that_no_memory_can_hold_is_named(start_service: Any) -> None:
    url = start_service(MAX_STM_SYMBOLS="100", VECTORS="disabled")
    body = {"observations": [{"strings": ["a"]}, {"strings": ["a"] * 101}]}
    refused = httpx.post(f"{url}/observe-sequence", json=body, timeout=PATIENCE_S)
    row = Row(b"", (), "", "LIMIT_EXCEEDED")
    message = (
        "strings of observations[1] must fit into a short-term memory of 100 symbols"
        " (MAX_STM_SYMBOLS) and 4194304 bytes (MAX_STM_BYTES), together with the symbols of the"
        " vectors; split the event into several"
    )
    assert_refused(refused.json(), row, ("body", "observations", 1, "strings"), message)


def test_the_item_at_which_a_sequence_learns_too_much_is_named(
    api: httpx.Client, session_id: str
) -> None:
    event = {"strings": ["x" * 1024] * 256}
    path = f"/v2/sessions/{session_id}"
    for _ in range(8):
        body = {"observations": [event] * 2}
        assert api.post(f"{path}/observe-sequence", json=body).status_code == 200
    config = {"max_pattern_length": 16, "stm_mode": "ROLLING"}
    assert api.post(f"{path}/config", json={"config": config}).status_code == 200
    refused = api.post(f"{path}/observe-sequence", json={"observations": [event] * 6})
    row = Row(b"", (), "", "LIMIT_EXCEEDED")
    message = (
        "observations[4] makes the sequence learn more than 16777216 bytes at once; split the"
        " sequence, or keep less in the short-term memory (genes stm_mode, max_pattern_length)"
    )
    assert_refused(refused.json(), row, ("body", "observations", 4), message)


def test_not_more_than_twenty_findings_are_listed_and_all_are_counted(
    api: httpx.Client, session_id: str
) -> None:
    emotives = {f"{number:02}": "x" for number in range(60)}
    refused = api.post(f"/v2/sessions/{session_id}/observe", json={"emotives": emotives}).json()
    assert refused["detail"] == '"00" of emotives must be a number (and 59 more problems)'
    assert len(refused["error"]["details"]) == 20


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("user_id=a&node_id=b&limit=0", "node_id"),
        ("session_id=nope&limit=0", "limit"),
        ("session_id=nope", None),
    ],
)
def test_whom_a_request_names_is_judged_before_its_query_and_that_before_the_session(
    client: httpx.Client, query: str, named: str | None
) -> None:
    answer = client.get(f"/v1/predictions?{query}")
    if named is None:
        assert answer.json()["error"]["code"] == "SESSION_NOT_FOUND"
        return
    locations = [each["location"] for each in answer.json()["error"]["details"]]
    assert locations == [["query", named]]
