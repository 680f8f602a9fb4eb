"""Who counts as one caller, where one caller may hold only a part of what all share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from support.access import Caller, callers, key_line
from support.raw_http import head, opened
from support.services import NewService, ServiceProcess
from support.waiting import until

OF_ONE = 18
"""Sessions of the 20 that one caller may hold."""


@pytest.fixture(params=["embedded", "redis"])
def started(
    request: pytest.FixtureRequest, new_service: NewService
) -> Callable[..., ServiceProcess]:
    """Starts a service with room for 20 sessions."""

    def start(**variables: str) -> ServiceProcess:
        stores = {"MAX_SESSIONS": "20", "PROCESSOR_ID": uuid4().hex, "VECTORS": "disabled"}
        if request.param == "redis":
            stores["REDIS_URL"] = request.getfixturevalue("redis_url")
        service = new_service(**stores, **variables)
        service.start()
        service.await_ready()
        return service

    return start


@pytest.fixture
def keys_file(tmp_path: Path) -> str:
    path = tmp_path / "keys.jsonl"
    path.write_text("\n".join(key_line(name, "write") for name in ("one", "two")))
    return str(path)


def created(client: httpx.Client, **headers: str) -> tuple[int, str]:
    """The status of a new session, and the message of its refusal."""
    answer = client.post("/v2/sessions", headers=headers)
    message = answer.json().get("error", {}).get("message", "")
    return answer.status_code, message


def filled(client: httpx.Client, **headers: str) -> None:
    assert {created(client, **headers)[0] for _ in range(OF_ONE)} == {200}


def test_each_named_key_is_one_caller(
    started: Callable[..., ServiceProcess], keys_file: str
) -> None:
    with callers(started(API_KEYS_FILE=keys_file).url) as caller:
        filled(caller("one"))
        assert created(caller("one")) == (
            429,
            "session limit reached for this API key (18, so that it leaves some of MAX_SESSIONS to"
            " others); delete a session or raise MAX_SESSIONS",
        )
        assert created(caller("two"))[0] == 200


def test_programs_that_share_the_only_key_are_told_apart_by_address(
    started: Callable[..., ServiceProcess],
) -> None:
    service = started(API_KEY="for-everybody")
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with (
        callers(service.url) as caller,
        httpx.Client(base_url=service.url, transport=transport, timeout=60) as other,
    ):
        filled(caller("for-everybody"))
        status, message = created(caller("for-everybody"))
        assert (status, "this client address (18" in message) == (429, True)
        assert created(other, **{"x-api-key": "for-everybody"})[0] == 200


def test_clients_of_a_trusted_proxy_are_told_apart(
    started: Callable[..., ServiceProcess],
) -> None:
    with callers(started(TRUSTED_PROXIES="127.0.0.0/8").url) as caller:
        client = caller(None)
        filled(client, **{"x-forwarded-for": "203.0.113.1"})
        assert created(client, **{"x-forwarded-for": "203.0.113.1"})[0] == 429
        assert created(client, **{"x-forwarded-for": "198.51.100.7, 203.0.113.1"})[0] == 429
        assert created(client, **{"x-forwarded-for": "203.0.113.2"})[0] == 200


def test_without_trusted_proxies_headers_make_no_new_callers(
    started: Callable[..., ServiceProcess],
) -> None:
    with callers(started().url) as caller:
        statuses = [
            created(caller(None), **{"x-forwarded-for": f"203.0.113.{number}"})[0]
            for number in range(OF_ONE + 1)
        ]
        assert statuses == [200] * OF_ONE + [429]


@pytest.fixture
def few_requests(new_service: NewService, keys_file: str) -> Iterator[Caller]:
    service = new_service(API_KEYS_FILE=keys_file, MAX_REQUESTS_IN_FLIGHT="10")
    service.start()
    service.await_ready()
    with callers(service.url) as caller:
        yield caller


def counted(client: httpx.Client, status: int) -> httpx.Response:
    """The answer to a request that is repeated until it has this status."""
    answers: list[httpx.Response] = []

    def has_status() -> bool:
        answers.append(client.get("/v2/sessions/count"))
        return answers[-1].status_code == status

    until(has_status, f"status {status}")
    return answers[-1]


def test_requests_in_progress_count_for_their_key(few_requests: Caller) -> None:
    """Nine bodies that never end, all from one address: its other keys are still answered."""
    url = str(few_requests("one").base_url).rstrip("/")
    unfinished = head("POST", "/v2/sessions", "X-API-Key: one", "Content-Length: 9")
    with ExitStack() as open_ones:
        for _ in range(9):
            open_ones.enter_context(opened(url)).sendall(unfinished)
        refused = counted(few_requests("one"), 503)
        assert refused.json()["error"]["message"] == (
            "9 requests of this API key are in progress, nine tenths of MAX_REQUESTS_IN_FLIGHT and"
            " as many as one may have; retry later"
        )
        assert few_requests("two").get("/v2/sessions/count").status_code == 200
    assert counted(few_requests("one"), 200)
