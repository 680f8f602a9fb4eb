"""Whom a request is for: every operation of the older paths, with every place that may say it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kato_service.domain.identity import processor_id_of
from support.patient import PATIENCE_S
from support.routes import Route, routes
from support.services import StartService

NAMING = [route for route in routes() if route.naming]
HTTP = [route for route in NAMING if route.method != "WS"]
LEGACY = [route for route in HTTP if "session_id" in route.naming]
LATER = [route for route in HTTP if "session_id" not in route.naming]
OF_SESSION = [route for route in LATER if "{session_id}" in route.path]
BODIES: Mapping[str, Any] = {
    "observe": {"strings": ["x"]},
    "observe-sequence": {"observations": [{"strings": ["x"]}]},
    "extend": {"ttl_seconds": 600},
    "config": {"config": {"persistence": 5}},
    "update": {"persistence": 5},
    "patterns": {"frequency": 1},
}
"""By the last word of a path, a body that its operation needs."""


@dataclass(frozen=True)
class Place:
    """Where a request says whom it is for."""

    part: str
    name: str

    def __str__(self) -> str:
        return f"{self.part} {self.name}"

    @property
    def words(self) -> str:
        return {
            "query": f"the query parameter {self.name}",
            "header": f"the header {self.name}",
            "body": f"{self.name} of the body",
        }[self.part]


QUERIES = [Place("query", name) for name in ("user_id", "node_id", "processor_id")]
HEADERS = [Place("header", name) for name in ("X-User-ID", "X-Node-ID", "X-Test-ID")]
IN_BODIES = [Place("body", name) for name in ("user_id", "node_id", "processor_id")]
USERS = [*QUERIES, *HEADERS, *IN_BODIES]


@dataclass(frozen=True)
class Request:
    """A request that fits a route."""

    client: httpx.Client
    route: Route
    values: Mapping[str, str]
    params: Mapping[str, str]
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None

    def naming(self, place: Place, value: str) -> "Request":
        if place.part == "query":
            return replace(self, params={**self.params, place.name: value})
        if place.part == "header":
            return replace(self, headers=(*self.headers, (place.name, value)))
        return replace(self, body={**(self.body or {}), place.name: value})

    def sent(self) -> httpx.Response:
        path = self.route.path.format(**self.values)
        content = None if self.body is None else json.dumps(self.body)
        return self.client.request(
            self.route.method, path, params=self.params, headers=self.headers, content=content
        )


@pytest.fixture(scope="module")
def client(start_service: StartService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start_service(VECTORS="disabled"), timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module", params=["embedded", "stores"])
def either(request: pytest.FixtureRequest, start_service: StartService) -> Iterator[httpx.Client]:
    """A client of a service with embedded stores, or with Redis and MongoDB's protocol."""
    if request.param == "embedded":
        yield request.getfixturevalue("client")
        return
    urls = {name: request.getfixturevalue(f"{name}_url") for name in ("redis", "mongo")}
    variables = {"REDIS_URL": urls["redis"], "MONGO_BASE_URL": urls["mongo"]}
    url = start_service(VECTORS="disabled", PROCESSOR_ID="identity", **variables)
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def instance(client: httpx.Client) -> str:
    found: str = client.get("/v1/stm").json()["processor_id"]
    return found


def user(client: httpx.Client) -> tuple[str, dict[str, str]]:
    """A new user whose default session has learned a pattern; what paths need of it."""
    name = f"test_{uuid4().hex}"
    headers = {"x-user-id": name}
    events = [{"strings": [name]}, {"strings": ["b"]}]
    body = {"observations": events, "learn_at_end": True}
    answer = client.post("/v1/observe-sequence", json=body, headers=headers).json()
    return name, {"name": answer["patterns_learned"][0]}


def session(client: httpx.Client, name: str) -> str:
    answer = client.post("/v2/sessions", json={"user_id": name}).json()
    client.post(f"/v2/sessions/{answer['session_id']}/observe", json={"strings": ["y"]})
    found: str = answer["session_id"]
    return found


def request_of(client: httpx.Client, route: Route, values: Mapping[str, str]) -> Request:
    words = [word for word in route.path.split("/") if not word.startswith("{")]
    body = BODIES.get(words[-1]) if route.method in ("POST", "PUT") else None
    if "/gene/" in route.path:
        values = {**values, "name": "persistence"}
    return Request(client, route, {**values, "symbol": "nothing"}, {}, body=body)


def assert_refused(answer: httpx.Response, *words: str) -> None:
    assert answer.status_code == 422, answer.text
    content = answer.json()
    assert content["error"]["code"] == "VALIDATION_ERROR"
    assert all(word in content["detail"] for word in words), content["detail"]


def assert_acted_for(answer: httpx.Response, instance: str, name: str) -> None:
    """The answer is about the user's knowledge; some name it as later versions do."""
    content = answer.json()
    later = "processor_id" not in content
    expected = {"node_id": name} if later else {"processor_id": processor_id_of(instance, name)}
    assert expected.items() <= content.items(), answer.request.url


@pytest.mark.parametrize("route", LEGACY, ids=str)
def test_the_older_paths_act_for_the_user_that_any_place_names(
    client: httpx.Client, instance: str, route: Route
) -> None:
    name, values = user(client)
    asked = request_of(client, route, values)
    for place in USERS[::-1] if "clear-all" in route.path else USERS:
        answer = asked.naming(place, name).sent()
        assert answer.status_code == 200, (str(place), answer.text)
        assert_acted_for(answer, instance, name)


@pytest.mark.parametrize("route", LEGACY, ids=str)
def test_two_places_that_contradict_each_other_are_both_named(
    client: httpx.Client, route: Route
) -> None:
    asked = request_of(client, route, {"name": "0" * 40}).naming(HEADERS[0], "test_one")
    for place in (*USERS[:3], *USERS[4:]):
        refused = asked.naming(place, "test_other").sent()
        assert_refused(refused, place.name, HEADERS[0].words, "names another user than")
    for given in (("X-User-ID", "test_other"), ("x-user-id", "test_other")):
        assert_refused(replace(asked, headers=(*asked.headers, given)).sent(), "X-User-ID")
    both = asked.naming(IN_BODIES[0], "test_one").naming(IN_BODIES[1], "test_other")
    assert_refused(both.sent(), "node_id", "another user")


@pytest.mark.parametrize("route", LEGACY, ids=str)
def test_the_older_paths_act_on_the_session_that_any_place_names(
    client: httpx.Client, instance: str, route: Route
) -> None:
    name, values = user(client)
    session_id = session(client, name)
    places = [("query", "session_id"), ("header", "X-Session-ID"), ("body", "session_id")]
    for place in (Place(*one) for one in places):
        asked = request_of(client, route, values).naming(place, session_id)
        before = client.get(f"/v2/sessions/{session_id}").json()
        refused = asked.naming(HEADERS[1], "test_other").sent()
        assert_refused(refused, HEADERS[1].words, place.words)
        assert client.get(f"/v2/sessions/{session_id}").json() == before
        if "clear-all" in route.path and place.part != "body":
            continue
        answer = asked.naming(QUERIES[0], name).sent()
        assert answer.status_code == 200, answer.text
        assert_acted_for(answer, instance, name)


@pytest.mark.parametrize("route", OF_SESSION, ids=str)
def test_a_session_is_used_by_its_own_user_only(either: httpx.Client, route: Route) -> None:
    name, values = user(either)
    session_id = session(either, name)
    asked = request_of(either, route, {**values, "session_id": session_id})
    before = either.get(f"/v2/sessions/{session_id}").json()
    for place in USERS:
        refused = asked.naming(place, "test_other").sent()
        assert_refused(refused, place.name, "names another user than the session in the path")
    assert either.get(f"/v2/sessions/{session_id}").json() == before
    for place in (QUERIES[1], HEADERS[1], IN_BODIES[1]):
        gone = place is not QUERIES[1] and route.method == "DELETE"
        expected = {404} if gone or "vectors" in route.path else {200}
        answer = asked.naming(place, name).sent()
        assert answer.status_code in expected or route.path.endswith("/learn"), answer.text


@pytest.mark.parametrize("route", LATER, ids=str)
def test_another_session_than_that_of_the_path_is_refused(
    client: httpx.Client, route: Route
) -> None:
    name, values = user(client)
    session_id = session(client, name)
    asked = request_of(client, route, {**values, "session_id": session_id})
    for place in (Place("header", "X-Session-ID"), Place("body", "session_id")):
        assert_refused(asked.naming(place, "another").sent(), place.name, "names a")
    assert client.get(f"/v2/sessions/{session_id}/stm").json()["stm"] == [["y"]]


@pytest.mark.parametrize("place", USERS, ids=str)
def test_sessions_are_created_listed_and_counted_for_the_user_that_any_place_names(
    either: httpx.Client, place: Place
) -> None:
    name = f"test_{uuid4().hex}"
    for method, path in (("POST", "/sessions"), ("GET", "/sessions"), ("GET", "/sessions/count")):
        route = next(one for one in LATER if (one.method, one.path) == (method, path))
        asked = request_of(either, route, {})
        answer = asked.naming(place, name).sent().json()
        if method == "POST":
            assert answer["node_id"] == name
        elif path == "/sessions":
            assert [one["node_id"] for one in answer["sessions"]] == [name]
        else:
            assert answer["active_session_count"] == 1
        other = HEADERS[0] if place.part != "header" else IN_BODIES[0]
        refused = asked.naming(place, name).naming(other, "test_other").sent()
        assert_refused(refused, "names another user than")


def test_every_place_of_a_user_may_name_the_same_one(client: httpx.Client) -> None:
    name, _ = user(client)
    for route in (route for route in LATER if (route.method, route.path) == ("POST", "/sessions")):
        asked = request_of(client, route, {})
        for place in USERS:
            asked = asked.naming(place, name)
        assert asked.sent().json()["node_id"] == name


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_a_test_id_is_prefixed_once(client: httpx.Client, instance: str, prefix: str) -> None:
    known = uuid4().hex
    for given in (known, f"test_{known}"):
        answer = client.get(f"{prefix}/stm", headers={"x-test-id": given}).json()
        assert answer["processor_id"] == processor_id_of(instance, f"test_{known}")


def test_a_processor_id_of_an_answer_has_to_be_that_of_the_request(
    client: httpx.Client, instance: str
) -> None:
    name, _ = user(client)
    own = processor_id_of(instance, name)
    headers = {"x-user-id": name}
    for params, expected in ((own, 200), (instance, 422), (f"{instance}~{'0' * 40}", 422)):
        answer = client.get("/stm", params={"processor_id": params}, headers=headers)
        assert answer.status_code == expected, answer.text
    assert client.get("/stm", params={"processor_id": instance}).status_code == 200
    refused = client.get("/stm", params={"processor_id": own})
    assert_refused(refused, "the query parameter processor_id names another knowledge base")
    session_id = session(client, name)
    for given, expected in ((own, 200), (instance, 422)):
        answer = client.get(f"/sessions/{session_id}/stm", params={"processor_id": given})
        assert answer.status_code == expected, answer.text


def test_an_item_of_a_sequence_cannot_be_for_another_user(client: httpx.Client) -> None:
    name, _ = user(client)
    item: dict[str, Any] = {"strings": ["b"], "node_id": "test_other"}
    body = {"observations": [{"strings": ["a"]}, item]}
    answer = client.post("/v1/observe-sequence", json=body, headers={"x-user-id": name})
    assert_refused(answer, "node_id of observations[1]", "X-User-ID")
    item["node_id"] = name
    answer = client.post("/v1/observe-sequence", json=body)
    assert answer.json()["observations_processed"] == 2


@pytest.mark.parametrize("route", HTTP, ids=str)
def test_what_is_no_user_is_refused_at_its_place(client: httpx.Client, route: Route) -> None:
    asked = request_of(client, route, {"name": "0" * 40, "session_id": "nowhere"})
    for value in (7, "", "a\n", "x" * 257, ["a"]):
        answer = replace(asked, body={**(asked.body or {}), "node_id": value}).sent()
        assert_refused(answer, "node_id must")
        assert answer.json()["error"]["details"][0]["location"] == ["body", "node_id"]


def test_an_operation_without_a_body_reads_one_all_the_same(client: httpx.Client) -> None:
    name, _ = user(client)
    session_id = session(client, name)
    path = f"/v2/sessions/{session_id}"
    headers = {"content-type": "application/json"}
    for method, where in (("GET", f"{path}/stm"), ("DELETE", path)):
        answer = client.request(method, where, content=b'{"limit":1}', headers=headers)
        assert_refused(answer, "limit is not a known field")
        answer = client.request(method, where, content=b"{", headers=headers)
        assert_refused(answer, "the body is not valid JSON")
    assert client.request("GET", f"{path}/stm", content=b"{}", headers=headers).status_code == 200
    assert client.request("DELETE", path, content=b"null", headers=headers).status_code == 200


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_predictions_of_the_older_paths_take_what_all_others_take(
    client: httpx.Client, prefix: str
) -> None:
    headers = {"x-user-id": uuid4().hex}
    for symbol in "xyz":
        events = [{"strings": ["a"]}, {"strings": ["b"]}, {"strings": [symbol]}]
        body = {"observations": events, "learn_at_end": True}
        client.post(f"{prefix}/observe-sequence", json=body, headers=headers)
    client.post(f"{prefix}/observe", json={"strings": ["a", "b"]}, headers=headers)
    path = f"{prefix}/predictions"

    def count(method: str, params: Any = None, body: Any = None) -> int:
        answer = client.request(method, path, params=params, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: int = answer.json()["count"]
        return found

    for method in ("GET", "POST"):
        assert count(method) == 3
        assert count(method, {"limit": 2}) == 2
        assert count(method, {"recall_threshold": 1}) == 0
    assert count("POST", body={"limit": 1}) == 1
    assert count("POST", {"limit": 1}, {"limit": 1, "recall_threshold": 0.0}) == 1
    differing = client.post(path, params={"limit": 1}, json={"limit": 2}, headers=headers)
    assert_refused(differing, "the query parameter limit differs from limit of the body")


def asked_over(client: httpx.Client, path: str, *frames: Any) -> list[Any]:
    url = str(client.base_url).rstrip("/").replace("http", "ws", 1) + path
    with connect(url, open_timeout=PATIENCE_S) as socket:
        answers = []
        for frame in frames:
            socket.send(json.dumps(frame))
            answers.append(json.loads(socket.recv(PATIENCE_S)))
        return answers


@pytest.mark.parametrize("path", ["/v1/ws", "/ws"])
def test_a_socket_of_the_older_paths_is_for_the_user_that_its_query_names(
    client: httpx.Client, instance: str, path: str
) -> None:
    name, _ = user(client)
    observe = {"type": "observe", "payload": {"strings": ["a"], "node_id": name}}
    other = {"type": "observe", "payload": {"strings": ["a"], "node_id": "test_other"}}
    ping = {"type": "ping", "user_id": "test_other"}
    answers = asked_over(client, f"{path}?node_id={name}", observe, other, ping)
    assert answers[0]["payload"]["processor_id"] == processor_id_of(instance, name)
    for answer, place in zip(answers[1:], (["payload", "node_id"], ["user_id"]), strict=True):
        assert answer["error"]["code"] == "VALIDATION_ERROR"
        assert answer["error"]["details"][0]["location"] == place
    stm = client.get("/stm", params={"user_id": name}).json()["stm"]
    assert stm[-1:] == [["a"]]
    refused = asked_over(client, path, observe)[0]
    assert "names another one than the socket" in refused["error"]["message"]


def test_a_socket_of_a_session_is_for_its_user(client: httpx.Client) -> None:
    name, _ = user(client)
    path = f"/sessions/{session(client, name)}/ws"
    own = {"type": "get_stm", "node_id": name}
    other = {"type": "ping", "payload": {"user_id": "test_other"}}
    assert asked_over(client, f"{path}?node_id={name}", own)[0]["payload"]["stm"] == [["y"]]
    answers = asked_over(client, path, own, other)
    assert answers[0]["payload"]["stm"] == [["y"]]
    assert "names another user than the session in the path" in answers[1]["error"]["message"]
    with pytest.raises(InvalidStatus) as refused:
        asked_over(client, f"{path}?node_id=test_other")
    assert refused.value.response.status_code == 422


def test_the_documents_hold_every_place(client: httpx.Client) -> None:
    document = client.get("/openapi-older.json").json()
    for route in HTTP:
        operation = document["paths"][route.path][route.method.lower()]
        named = {(one.get("in"), one.get("name")) for one in operation["parameters"]}
        assert {("query", name) for name in route.naming} <= named
        assert {("header", place.name) for place in HEADERS} <= named
