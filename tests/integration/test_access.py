"""Who may do what: every operation, with every kind of credential, on a running process."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kato_service.access.scopes import Scope
from kato_service.api.intake.guards import need_of, open_paths
from support.access import Caller, callers, code_of, key_line
from support.routes import application
from support.services import NewService, ServiceProcess

MANUAL = Path(__file__).parents[2] / "docs" / "access.md"
KEYS = (
    key_line("reader", "read", user="alice"),
    key_line("writer", "write", user="alice"),
    key_line("stranger", "write", user="bob"),
    key_line("instance", "write"),
    key_line("monitor", "metrics"),
    key_line("admin", "admin"),
)
GRANTED = {
    "reader": {Scope.READ},
    "writer": {Scope.READ, Scope.WRITE},
    "monitor": {Scope.METRICS},
    "admin": {Scope.READ, Scope.WRITE, Scope.METRICS, Scope.ADMIN},
}
BODIES: dict[str, Any] = {
    "observe": {"strings": ["a", "b"]},
    "observe-sequence": {"observations": [{"strings": ["a"]}]},
    "extend": {"ttl_seconds": 60},
    "config": {"config": {"persistence": 5}},
    "update": {"genes": {"persistence": 5}},
    "patterns": {"frequency": 2},
    "patterns:delete": {"symbols": ["x"]},
    "vectors:nearest": {"vector": [1.0, 2.0]},
}
PATCHES: dict[str, Any] = {"sessions": {"metadata": {"k": "v"}}}
PATTERN = "0" * 40
NOT_LATER = ("/vectors", "/vectors:nearest")
"""Ends of paths below /v2/sessions that are not below /sessions."""


def routes() -> Iterator[tuple[str, str, Scope]]:
    """Every route: its method (WS: a WebSocket), its path and the scope that it needs."""
    for route in application().routes:
        need = need_of(route)
        assert need is not None
        methods = sorted(getattr(route, "methods", None) or {"WS"})
        for method in methods:
            if method != "HEAD" and "{path:path}" not in route.path:  # type: ignore[attr-defined]  # every kind of ours has one
                path = getattr(route, "path_format", route.path)  # type: ignore[attr-defined]  # as above
                yield method, path, need.scope


ROUTES = list(routes())
HTTP = [route for route in ROUTES if route[0] != "WS"]
SCOPED = [
    route
    for route in HTTP
    if "/anonymous" not in route[1] and route[:2] != ("DELETE", "/v2/users/{user_id}")
]
"""Without what belongs to no user, and what erases the user of these tests: see test_users.py."""


def documented() -> dict[tuple[str, str], str]:
    """The manual's table: the scope of each method and path."""
    found: dict[tuple[str, str], str] = {}
    rows = re.findall(
        r"^\| `?(none|read|write|metrics|admin)`? \| (`[A-Z]+ .*) \|$", MANUAL.read_text(), re.M
    )
    for scope, operations in rows:
        for method, path in re.findall(r"`([A-Z]+) ([^`]+)`", operations):
            for spelled in spellings(method, path):
                found[method, spelled] = scope.replace("none", "open")
    return found


def spellings(method: str, path: str) -> Iterator[str]:
    path = path.replace("…", "/v2/sessions/{session_id}")
    yield path
    if path.startswith("/v2/sessions") and not (method == "PATCH" or path.endswith(NOT_LATER)):
        yield path.removeprefix("/v2")
    if path.startswith("/v1/") and path != "/v1/status":
        yield path.removeprefix("/v1")


def test_the_manuals_table_is_what_the_routes_need() -> None:
    assert documented() == {(method, path): scope.value for method, path, scope in ROUTES}


def test_an_application_with_a_route_that_nobody_guards_does_not_start() -> None:
    made = application()

    async def leak(request: Request) -> Response:
        return Response()

    made.router.routes.append(Route("/leak", leak))
    with pytest.raises(LookupError, match="/leak has no guard"):
        open_paths(made)


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    path.write_text("\n".join(KEYS))
    return path


@pytest.fixture(scope="module")
def service(new_lasting_service: NewService, keys_file: Path) -> ServiceProcess:
    service = new_lasting_service(API_KEYS_FILE=str(keys_file), MAX_SESSIONS_PER_USER="5000")
    service.start()
    service.await_ready()
    return service


@pytest.fixture(scope="module")
def caller(service: ServiceProcess) -> Iterator[Caller]:
    with callers(service.url) as caller:
        yield caller


def sent(
    client: httpx.Client, method: str, path: str, session_id: str, **headers: str
) -> httpx.Response:
    """The answer to a request that fits the route."""
    values = {"session_id": session_id, "name": PATTERN, "symbol": "VCTR|x"}
    values |= {"metric": "x", "test_id": "x", "user_id": "alice"}
    last = next(word for word in reversed(path.split("/")) if not word.startswith("{"))
    bodies = {"POST": BODIES, "PUT": BODIES, "PATCH": PATCHES}
    body = bodies.get(method, {}).get(last)
    headers = {"x-request-id": "the-same"} | headers
    return client.request(method, path.format(**values), json=body, headers=headers)


@pytest.fixture(scope="module")
def session_id(caller: Caller) -> str:
    """A session of alice."""
    return created(caller, "writer")


def created(caller: Caller, key: str, **fields: Any) -> str:
    sending = caller(key)
    answer = sending.post("/v2/sessions", json=fields)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["session_id"]
    return found


@pytest.mark.parametrize(("method", "path", "scope"), HTTP)
def test_without_the_right_credentials_only_open_paths_are_answered(
    caller: Caller, session_id: str, method: str, path: str, scope: Scope
) -> None:
    for headers in ({}, {"x-api-key": "wrong"}, {"authorization": "Basic d3Jvbmc6"}):
        sending = caller(None)
        answer = sent(sending, method, path, session_id, **headers)
        if scope is Scope.OPEN:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
@pytest.mark.parametrize("key", GRANTED)
def test_a_scope_opens_what_the_manual_says(
    caller: Caller, key: str, method: str, path: str, scope: Scope
) -> None:
    own = created(caller, "writer")
    sending = caller(key)
    answer = sent(sending, method, path, own)
    if scope in GRANTED[key] or scope is Scope.OPEN:
        assert answer.status_code not in (401, 403), answer.text
        assert answer.status_code < 500
    else:
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        assert f"needs the scope {scope}" in answer.json()["error"]["message"]
        assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path, _ in HTTP if "{session_id}" in path]
)
@pytest.mark.parametrize("key", ["stranger", "instance"])
def test_a_session_of_another_user_is_like_one_that_never_was(
    caller: Caller, session_id: str, key: str, method: str, path: str
) -> None:
    sending = caller(key)
    theirs = sent(sending, method, path, session_id)
    nobodys = sent(sending, method, path, "a" * len(session_id))
    if path.endswith("/exists"):
        more = {"expired": False} if path.startswith("/sessions") else {}
        assert theirs.json() == {"exists": False, "session_id": session_id} | more
        assert nobodys.status_code == theirs.status_code == 200
        return
    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert code_of(theirs) == "SESSION_NOT_FOUND"


def test_nothing_that_a_stranger_tried_changed_the_session(caller: Caller, keys_file: Path) -> None:
    own = created(caller, "writer", ttl_seconds=600)
    sending = caller("writer")
    sending.post(f"/v2/sessions/{own}/observe", json={"strings": ["kept"]})
    before = sending.get(f"/v2/sessions/{own}").json()
    sending = caller("stranger")
    for method, path, _ in HTTP:
        if "{session_id}" in path:
            sent(sending, method, path, own)
        elif path.startswith("/v1/"):
            sent(sending, method, path, own, **{"x-session-id": own})
    sending = caller("writer")
    assert sending.get(f"/v2/sessions/{own}").json() == before
    assert sending.get(f"/v2/sessions/{own}/stm").json()["stm"] == [["kept"]]


@pytest.mark.parametrize(
    "path", [path for method, path, _ in HTTP if path.startswith("/v1/") and method == "GET"]
)
def test_the_older_paths_show_no_session_of_another_user(
    caller: Caller, session_id: str, path: str
) -> None:
    sending = caller("stranger")
    answer = sent(sending, "GET", path, session_id, **{"x-session-id": session_id})
    assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("header", ["x-user-id", "x-node-id", "x-test-id"])
def test_the_older_paths_act_as_the_callers_own_user(caller: Caller, header: str) -> None:
    sending = caller("stranger")
    named = sending.post("/observe", json={"strings": ["x"]}, headers={header: "alice"})
    assert (named.status_code, code_of(named)) == (403, "FORBIDDEN")
    assert "acts as user 'bob' only" in named.json()["error"]["message"]
    own = sending.post("/observe", json={"strings": ["own"]})
    assert own.status_code == 200
    spelled = sending.get("/stm", headers={"x-user-id": "bob"}).json()
    assert spelled["session_id"] == own.json()["session_id"]
    sending = caller("admin")
    assert sending.get("/stm", headers={"x-user-id": "bob"}).json()["stm"] == spelled["stm"]
    assert sending.get(f"/v2/sessions/{spelled['session_id']}").json()["user_id"] == "bob"


@pytest.mark.parametrize(
    "headers",
    [
        [("x-user-id", "bob"), ("x-user-id", "alice")],
        [("x-user-id", "bob"), ("x-node-id", "alice")],
        [("x-user-id", "bob"), ("x-test-id", "1")],
    ],
)
@pytest.mark.parametrize("with_session", [False, True])
def test_no_header_names_another_user(
    caller: Caller, headers: list[tuple[str, str]], with_session: bool
) -> None:
    more = [("x-session-id", created(caller, "stranger"))] if with_session else []
    sending = caller("stranger")
    assert sending.get("/stm", headers=[headers[0], *more]).status_code == 200
    answer = sending.get("/stm", headers=[*headers, *more])
    assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


PLACES = [
    *(("params", name) for name in ("user_id", "node_id", "processor_id")),
    *(("headers", name) for name in ("x-user-id", "x-node-id", "x-test-id")),
    *(("json", name) for name in ("user_id", "node_id", "processor_id")),
]


@pytest.mark.parametrize("path", ["/v1/observe", "/observe", "/sessions/{}/observe", "/sessions"])
def test_no_place_names_another_user(caller: Caller, session_id: str, path: str) -> None:
    own = created(caller, "stranger")
    sending = caller("stranger")
    for part, name in PLACES:
        for user, expected in (("alice", 403), ("bob", 200)):
            given: dict[str, Any] = {"json": {"strings": ["x"]}}
            given[part] = given.get(part, {}) | {name: user}
            if name != "x-test-id" or expected == 403:
                answer = sending.post(path.format(own), **given)
                assert answer.status_code == expected, (name, answer.text)
    # What exists cannot be told from what does not by naming anybody.
    for named in ("bob", None):
        params = {"node_id": named} if named else None
        answer = sending.get(f"/sessions/{session_id}/stm", params=params)
        assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")
        answer = sending.get("/stm", params={"session_id": session_id, **(params or {})})
        assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")
        answer = sending.get(f"/sessions/{session_id}/exists", params=params)
        assert answer.json()["exists"] is False


def test_the_processor_id_of_another_user_opens_nothing(caller: Caller) -> None:
    other = caller("writer").get("/v1/stm").json()["processor_id"]
    sending = caller("stranger")
    answer = sending.get("/v1/stm", params={"processor_id": other})
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")
    own = sending.get("/v1/stm").json()["processor_id"]
    assert sending.get("/v1/stm", params={"processor_id": own}).status_code == 200


def test_a_list_is_asked_for_no_other_user_in_any_spelling(caller: Caller) -> None:
    sending = caller("stranger")
    params = {"user_id": "bob", "node_id": "alice"}
    answer = sending.get("/v2/sessions", params=params)
    assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")


def test_a_caller_creates_sessions_of_its_own_user_only(caller: Caller) -> None:
    for key, own in (("writer", "alice"), ("instance", None)):
        sending = caller(key)
        assert sending.post("/v2/sessions").json()["user_id"] == own
        if own is not None:
            same = sending.post("/v2/sessions", json={"user_id": own})
            assert same.json()["user_id"] == own
        for path, field in (("/v2/sessions", "user_id"), ("/sessions", "node_id")):
            other = sending.post(path, json={field: "carol"})
            assert (other.status_code, code_of(other)) == (403, "FORBIDDEN")
            assert "acts as" in other.json()["error"]["message"]
    sending = caller("admin")
    answer = sending.post("/v2/sessions", json={"user_id": "carol"})
    assert answer.json()["user_id"] == "carol"


def test_lists_and_counts_hold_the_callers_own_sessions(caller: Caller) -> None:
    mine = {created(caller, "stranger") for _ in range(3)}
    nobodys = {created(caller, "instance") for _ in range(2)}
    others = created(caller, "writer")
    for key, own, foreign in (("stranger", mine, nobodys), ("instance", nobodys, mine)):
        sending = caller(key)
        listed = everything(sending)
        assert own <= listed
        assert not listed & {*foreign, others}
        counted = sending.get("/v2/sessions/count").json()["active_session_count"]
        assert counted == len(listed)
        named = sending.get("/v2/sessions", params={"user_id": "alice"})
        assert (named.status_code, code_of(named)) == (403, "FORBIDDEN")
    sending = caller("admin")
    assert {*mine, *nobodys, others} <= everything(sending)


def everything(sending: httpx.Client) -> set[str]:
    found: set[str] = set()
    cursor = None
    while True:
        params = {"limit": 50} | ({} if cursor is None else {"cursor": cursor})
        page = sending.get("/v2/sessions", params=params).json()
        found |= {session["session_id"] for session in page["sessions"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_users_of_different_keys_share_no_knowledge(caller: Caller) -> None:
    learned = {"observations": [{"strings": ["p"]}, {"strings": ["q"]}], "learn_at_end": True}
    for key in ("writer", "stranger"):
        own = created(caller, key)
        sending = caller(key)
        if key == "writer":
            sending.post(f"/v2/sessions/{own}/observe-sequence", json=learned)
        patterns = sending.get(f"/v2/sessions/{own}/patterns").json()["patterns"]
        symbols = [pattern["pattern_data"] for pattern in patterns]
        assert ([["p"], ["q"]] in symbols) == (key == "writer")


def test_predictions_without_a_session_are_those_of_the_callers_own_user(caller: Caller) -> None:
    own = created(caller, "writer")
    learned = {"observations": [{"strings": ["e"]}, {"strings": ["f"]}], "learn_at_end": True}
    caller("writer").post(f"/v2/sessions/{own}/observe-sequence", json=learned)
    question = {"events": [["e", "f"]], "limit": 1}

    def total(key: str, **more: Any) -> int:
        answer = caller(key).post("/v2/predict", json={**question, **more})
        assert answer.status_code == 200, answer.text
        found: int = answer.json()["total"]
        return found

    assert total("reader") == total("reader", user_id="alice") == 1
    assert total("admin", user_id="alice") == 1
    assert total("stranger") == total("instance") == total("admin") == 0
    for key, user in (("reader", "bob"), ("stranger", "alice"), ("instance", "alice")):
        theirs = {**question, "user_id": user}
        for path, body in (
            ("/v2/predict", theirs),
            ("/v2/predict:batch", {"items": [question, theirs]}),
        ):
            refused = caller(key).post(path, json=body)
            assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")


def test_unknown_paths_and_methods_say_nothing_to_strangers(caller: Caller) -> None:
    for method, path in (
        ("GET", "/nothing"),
        ("DELETE", "/v2/sessions"),
        ("GET", "/health/nothing"),
    ):
        sending = caller(None)
        assert sending.request(method, path).status_code == 401
        sending = caller("reader")
        assert sending.request(method, path).status_code in (404, 405)


def test_a_body_is_not_read_from_strangers(caller: Caller) -> None:
    """The answer comes although most of the body never does."""
    sending = caller(None)
    answer = sending.post("/v2/sessions", content=iter([b"{" + b" " * 1000] * 10_000))
    assert answer.status_code == 401
