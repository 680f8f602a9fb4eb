"""Rate limits on running processes: one alone, and two that share a Redis."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from support.access import callers, code_of, key_line
from support.servers import RunningServer
from support.services import NewService, ServiceProcess

SLOW = {"RATE_LIMIT_PER_S": "0.1", "RATE_LIMIT_BURST": "5"}
"""Five requests, and then none for ten seconds."""


def started(service: ServiceProcess) -> ServiceProcess:
    service.start()
    service.await_ready()
    return service


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    lines = (
        key_line("alice-one", "write", user="alice"),
        key_line("alice-two", "write", user="alice"),
        key_line("bob", "write", user="bob"),
        key_line("monitor", "metrics"),
    )
    path.write_text("\n".join(lines))
    return path


def statuses(client: httpx.Client, count: int, **headers: str) -> Counter[int]:
    path = "/v2/sessions/count"
    return Counter(client.get(path, headers=headers).status_code for _ in range(count))


def test_a_caller_that_sends_too_much_is_told_when_to_come_back(
    new_service: NewService, keys_file: Path
) -> None:
    limits = {"RATE_LIMIT_PER_S": "0.2", "RATE_LIMIT_BURST": "4"}
    service = started(new_service(API_KEYS_FILE=str(keys_file), **limits))
    with callers(service.url) as caller:
        alice, path = caller("alice-one"), "/v2/sessions/count"
        answers = [alice.get(path) for _ in range(5)]
        refused = answers[-1]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == list("32100")
        assert [answer.headers["ratelimit-limit"] for answer in answers] == ["4"] * 5
        resets = [int(answer.headers["ratelimit-reset"]) for answer in answers]
        assert resets == pytest.approx([5, 10, 15, 20, 20], abs=4)
        assert refused.headers["ratelimit-policy"] == '"caller";q=4;w=20'
        assert refused.headers["ratelimit"] == f'"caller";r=0;t={resets[-1]}'
        error = refused.json()["error"]
        assert (error["code"], error["retryable"]) == ("RATE_LIMITED", True)
        wait_s = int(refused.headers["retry-after"])
        assert error["details"] == [{"retry_after_s": wait_s}]
        assert 1 <= wait_s <= 5
        assert caller("bob").get(path).status_code == 200
        for _ in range(20):
            assert caller(None).get("/health").status_code == 200
            assert caller("monitor").get("/metrics").status_code == 200
        time.sleep(wait_s)
        assert alice.get(path).status_code == 200
        shown = caller("monitor").get("/metrics").text
        assert "kato_rate_limited_total 1.0" in shown


@pytest.mark.parametrize(("by", "second"), [("key", 5), ("user", 0), ("address", 0)])
def test_callers_share_a_limit_by_key_user_or_address(
    new_service: NewService, keys_file: Path, by: str, second: int
) -> None:
    service = started(new_service(API_KEYS_FILE=str(keys_file), RATE_LIMIT_BY=by, **SLOW))
    with callers(service.url) as caller:
        assert statuses(caller("alice-one"), 6) == {200: 5, 429: 1}
        assert statuses(caller("alice-two"), 6)[200] == second
        assert statuses(caller("bob"), 6)[200] == (0 if by == "address" else 5)


def test_whoever_guesses_keys_is_limited_too(new_service: NewService, keys_file: Path) -> None:
    service = started(new_service(API_KEYS_FILE=str(keys_file), **SLOW))
    with callers(service.url) as caller:
        assert statuses(caller("a guess"), 8) == {401: 5, 429: 3}
        assert statuses(caller(None), 3) == {429: 3}
        assert caller("bob").get("/v2/sessions/count").status_code == 200


def test_addresses_behind_trusted_proxies_are_apart(new_service: NewService) -> None:
    service = started(new_service(TRUSTED_PROXIES="127.0.0.0/8", **SLOW))
    direct = started(new_service(**SLOW))
    with callers(service.url) as caller:
        for address in ("203.0.113.1", "203.0.113.2"):
            forwarded = {"x-forwarded-for": f"198.51.100.7, {address}"}
            assert statuses(caller(None), 6, **forwarded) == {200: 5, 429: 1}
    with callers(direct.url) as caller:
        spoofed = [
            caller(None).get("/stm", headers={"x-forwarded-for": f"1.1.1.{n}"}) for n in range(6)
        ]
        assert [answer.status_code for answer in spoofed] == [200] * 5 + [429]


def test_frames_count_like_requests(new_service: NewService) -> None:
    service = started(new_service(**SLOW))
    with callers(service.url) as caller:
        session_id = caller(None).post("/v2/sessions").json()["session_id"]
        url = f"{service.url.replace('http', 'ws', 1)}/v2/sessions/{session_id}/ws"
        with connect(url) as socket:
            replies = []
            for number in range(4):
                socket.send(json.dumps({"type": "ping", "id": number}))
                replies.append(json.loads(socket.recv(timeout=60)))
        assert [reply["type"] for reply in replies] == ["pong"] * 3 + ["error"]
        assert replies[3]["error"]["code"] == "RATE_LIMITED"
        assert replies[3]["error"]["details"][0]["retry_after_s"] > 0
        assert replies[3]["id"] == 3


def test_without_a_limit_answers_say_nothing_of_one(service_url: str) -> None:
    answer = httpx.get(f"{service_url}/v2/sessions/count")
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


@pytest.fixture
def replicas(
    new_service: NewService, redis_server: RunningServer
) -> Iterator[list[tuple[ServiceProcess, httpx.Client]]]:
    shared = {"PROCESSOR_ID": uuid4().hex, "REDIS_URL": redis_server.url}
    limits = {"RATE_LIMIT_PER_S": "0.02", "RATE_LIMIT_BURST": "10"}
    services = [new_service(**shared, **limits) for _ in range(2)]
    for service in services:
        service.start()
    for service in services:
        service.await_ready()
    clients = [httpx.Client(base_url=it.url, timeout=60, verify=False) for it in services]
    yield list(zip(services, clients, strict=True))
    for client in clients:
        client.close()


def test_replicas_limit_together_and_alone_while_redis_is_away(
    replicas: list[tuple[ServiceProcess, httpx.Client]], redis_server: RunningServer
) -> None:
    (_, one), (_, two) = replicas
    answers = [client.get("/openapi.json").status_code for client in (one, two) * 10]
    assert answers == [200] * 10 + [429] * 10
    assert code_of(two.get("/stm")) == "RATE_LIMITED"

    redis_server.freeze()
    for client in (one, two):
        began = time.monotonic()
        alone = Counter(client.get("/openapi.json").status_code for _ in range(12))
        assert alone == {200: 10, 429: 2}
        assert time.monotonic() - began < 20
    redis_server.thaw()
