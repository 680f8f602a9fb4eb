"""Reads of default sessions that do not exist store nothing, and one caller leaves room to others.

A caller is a client address. The tests have several: every address of 127/8 is this machine.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from redis import Redis
from websockets.sync.client import connect

New = Callable[..., Any]
READS = 10_000
CONNECTIONS = 10
PIPELINED = 20
NAME = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
PATHS = (
    "/stm", "/short-term-memory", "/predictions", "/percept-data", "/cognition-data",
    "/gene/recall_threshold", f"/pattern/{NAME}", "/v1/stm", "/v1/predictions", "/v1/status",
)  # fmt: skip


@pytest.fixture(params=["embedded", "redis"])
def service(request: pytest.FixtureRequest, new_service: New) -> Any:
    """A service with room for 20 sessions, of which one caller may have 18."""
    variables = {"MAX_SESSIONS": "20", "PROCESSOR_ID": uuid4().hex, "VECTORS": "disabled"}
    if request.param == "redis":
        variables["REDIS_URL"] = request.getfixturevalue("redis_url")
    started = new_service(**variables)
    started.start()
    started.await_ready()
    return started


@pytest.fixture
def stored(service: Any) -> Iterator[Callable[[], set[bytes]]]:
    """Gives the keys that the service has in Redis; with embedded stores, none."""
    url = service.variables.get("REDIS_URL")
    if url is None:
        yield set
        return
    with Redis.from_url(url) as redis:
        yield lambda: set(redis.keys(f"kato:{service.variables['PROCESSOR_ID']}:*"))


def client(service: Any, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=service.url, transport=transport, headers=headers, timeout=30)


def sessions(api: httpx.Client) -> int:
    count: int = api.get("/v2/sessions/count").json()["active_session_count"]
    return count


async def read_many(service: Any, count: int) -> set[int]:
    """The statuses of *count* reads for as many users, over a few connections."""
    statuses = set[int]()

    async def some(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        numbers = range(first, count, CONNECTIONS)
        for start in range(0, len(numbers), PIPELINED):
            batch = numbers[start : start + PIPELINED]
            for number in batch:
                path = PATHS[number // CONNECTIONS % len(PATHS)]
                head = (
                    f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-user-id: reader {number}\r\n\r\n"
                )
                writer.write(head.encode())
            for _ in batch:
                answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                statuses.add(int(answer.split()[1]))
                length = int(answer.split("content-length: ")[1].split("\r\n")[0])
                await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*map(some, range(CONNECTIONS)))
    return statuses


async def test_ten_thousand_reads_for_ten_thousand_users_store_nothing(
    service: Any, stored: Callable[[], set[bytes]]
) -> None:
    process = psutil.Process(service.process.pid)
    await read_many(service, 1000)
    memory, keys = process.memory_info().rss, stored()
    assert await read_many(service, READS) == {200, 404}  # 404: there is no such pattern
    assert process.memory_info().rss - memory < 8 * 2**20
    assert stored() == keys == set()
    with client(service) as api:
        assert sessions(api) == 0
        assert api.get("/v2/status").json()["processors"]["loaded"] == 0
        assert api.post("/observe", json={"strings": ["a"]}).status_code == 200
        assert api.get("/stm").json()["stm"] == [["a"]]


@pytest.mark.parametrize("path", PATHS)
def test_a_missing_default_session_reads_as_an_empty_one(service_url: str, path: str) -> None:
    with httpx.Client(base_url=service_url, headers={"x-user-id": uuid4().hex}) as api:
        missing = api.get(path)
        assert api.post("/genes/update", json={}).status_code == 200
        empty = api.get(path)
    assert missing.status_code == empty.status_code
    wanted, found = empty.json(), missing.json()
    for answer in (wanted, found):
        answer.get("error", {}).pop("request_id", None)
    if "session_id" in wanted:
        assert found.pop("session_id") is None
        wanted.pop("session_id")
    assert found == wanted


REFUSED: list[tuple[str, object]] = [
    ("/observe", {"strings": "a"}),
    ("/observe-sequence", {}),
    ("/genes/update", {"recall_threshold": 2}),
    ("/clear-stm", {"unique_id": 7}),
    ("/learn", None),
]


@pytest.mark.parametrize(("path", "body"), REFUSED, ids=[path for path, _ in REFUSED])
def test_a_change_that_is_refused_creates_no_default_session(
    start_service: Callable[..., str], path: str, body: object
) -> None:
    with httpx.Client(base_url=start_service()) as api:
        assert api.post(path, json=body).status_code == (200 if path == "/learn" else 422)
        assert sessions(api) == 0


def test_a_socket_creates_its_default_session_with_the_first_change(service: Any) -> None:
    url, user = service.url.replace("http", "ws"), {"x-user-id": "Ada"}
    with client(service) as api, connect(f"{url}/ws", additional_headers=user) as socket:
        for asked, answered in (("get_stm", "stm"), ("get_predictions", "predictions")):
            socket.send(json.dumps({"type": asked}))
            answer = json.loads(socket.recv(timeout=10))
            assert (answer["type"], answer["payload"]["session_id"]) == (answered, None)
        assert sessions(api) == 0
        socket.send(json.dumps({"type": "observe", "payload": {"strings": ["a"]}}))
        assert json.loads(socket.recv(timeout=10))["type"] == "observation_result"
        assert api.get("/stm", headers=user).json()["stm"] == [["a"]]
        assert sessions(api) == 1


def test_one_address_leaves_default_sessions_to_others(service: Any) -> None:
    with client(service) as greedy, client(service, "127.0.0.2") as other:
        answers = [
            greedy.post("/observe", json={"strings": ["a"]}, headers={"x-user-id": f"user {n}"})
            for n in range(20)
        ]
        assert [answer.status_code for answer in answers] == [200] * 18 + [429] * 2
        assert answers[-1].json()["error"]["message"] == (
            "this request needs the default session of its user, which does not exist yet: session"
            " limit reached for this client address (18, so that it leaves some of MAX_SESSIONS to"
            " others); delete a session or raise MAX_SESSIONS"
        )
        assert greedy.get("/stm", headers={"x-user-id": "user 19"}).json()["stm"] == []
        user = {"x-user-id": "other"}
        assert other.post("/observe", json={"strings": ["b"]}, headers=user).status_code == 200
        assert other.get("/stm", headers=user).json()["stm"] == [["b"]]
        assert other.post("/v2/sessions").status_code == 200


def test_users_whose_default_sessions_do_not_exist_leave_nothing(
    new_service: New, redis_url: str
) -> None:
    """Neither those that were refused nor those that were deleted."""
    instance = uuid4().hex
    service = new_service(
        MAX_SESSIONS="5", PROCESSOR_ID=instance, VECTORS="disabled", REDIS_URL=redis_url
    )
    service.start()
    service.await_ready()
    with client(service) as api, Redis.from_url(redis_url) as redis:
        for number in range(20):
            user = {"x-user-id": f"user {number}"}
            answer = api.post("/observe", json={"strings": ["a"]}, headers=user)
            session_id = answer.json()["session_id"]
            assert api.delete(f"/v2/sessions/{session_id}").status_code == 200
        kept = {
            key: redis.type(key) for key in redis.keys(f"kato:{instance}:*") if b"order" not in key
        }
        assert kept == {
            f"kato:{instance}:{{{instance}}}:defaults".encode(): b"hash",  # a secret
            f"kato:{instance}:{{{instance}}}:places".encode(): b"string",
        }
        statuses = [
            api.post("/observe", json={"strings": ["a"]}, headers={"x-user-id": f"user {n}"})
            for n in range(40)
        ]
        assert [each.status_code for each in statuses] == [200] * 5 + [429] * 35
        assert redis.hlen(f"kato:{instance}:{{{instance}}}:defaults") == 1 + 5


def test_a_full_instance_says_so_on_the_older_paths(new_service: New) -> None:
    service = new_service(MAX_SESSIONS="1", VECTORS="disabled")
    service.start()
    service.await_ready()
    with client(service) as api:
        assert api.post("/v2/sessions").status_code == 200
        answer = api.post("/v1/observe", json={"strings": ["a"]})
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert answer.json()["error"]["message"] == (
            "this request needs the default session of its user, which does not exist yet: session"
            " limit reached for this instance (1); delete a session or raise MAX_SESSIONS"
        )
        assert api.get("/v1/stm").json()["stm"] == []
        assert api.post("/v1/learn").json()["pattern_name"] == ""
