"""Full and read-only disks: the refusal says what to do, nothing is half written, all recovers."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kato_service.domain.deadline import Deadline
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from support import patient
from support.waiting import until

pytestmark = pytest.mark.xdist_group("disks")
New = Callable[..., Any]
Client = Callable[[Any], httpx.Client]
DISK_BYTES = 12 * 2**20
in_full = pytest.mark.skipif(
    os.environ.get("TORTURE_POINTS", "0") == "0", reason="make torture runs it"
)


class SmallDisk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def mount(self) -> None:
        size = f"size={DISK_BYTES}"
        command = ("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.path))
        if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")

    def unmount(self) -> None:
        subprocess.run(("umount", "-l", str(self.path)), check=True)

    def remount(self, *, options: str) -> None:
        subprocess.run(("mount", "-o", f"remount,{options}", str(self.path)), check=True)

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """``tmp_path`` as a small disk; fixtures that keep files there must come before this one."""
    disk = SmallDisk(tmp_path)
    disk.mount()
    yield disk
    disk.unmount()


def started(new_service: New, **variables: str) -> Any:
    quick = {"HEALTH_CHECK_INTERVAL": "0.2", "REDIS_SOCKET_TIMEOUT_S": "2", "VECTORS": "disabled"}
    names = {"PROCESSOR_ID": uuid4().hex, "MONGO_DATABASE": uuid4().hex}
    service = new_service(**{**quick, **names, **variables})
    service.start()
    service.await_ready()
    return service


@pytest.fixture
def client_of() -> Iterator[Callable[[Any], httpx.Client]]:
    """``client_of(service)``: a client on a new session of one user."""
    with ExitStack() as stack:

        def new(service: Any) -> httpx.Client:
            client = stack.enter_context(httpx.Client(base_url=service.url, timeout=60))
            made = client.post("/v2/sessions", json={"user_id": "u"}).json()
            client.base_url = f"{service.url}/v2/sessions/{made['session_id']}"
            return client

        yield new


def observed(client: httpx.Client, *symbols: str) -> None:
    for symbol in symbols:
        assert client.post("/observe", json={"strings": [symbol]}).status_code == 200


def refused(response: httpx.Response) -> str:
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"]
    error = response.json()["error"]
    assert error["code"] == "STORE_UNAVAILABLE"
    return str(error["message"])


def frequencies(client: httpx.Client) -> list[int]:
    return [pattern["frequency"] for pattern in client.get("/patterns").json()["patterns"]]


@in_full
def test_on_a_full_disk_embedded_knowledge_refuses_learns_until_there_is_space(
    small_disk: SmallDisk, new_service: New, client_of: Client
) -> None:
    service = started(new_service, DATA_DIR=str(small_disk.path))
    client = client_of(service)
    observed(client, "a", "b")
    assert client.post("/learn").status_code == 200
    observed(client, "a", "b")
    small_disk.fill()
    body = {"unique_id": "second"}
    message = refused(client.post("/learn", json=body))
    assert "free some space" in message
    assert str(small_disk.path) not in message
    assert frequencies(client) == [1]
    other = client_of(service)
    observed(other, "a", "b")
    assert other.get("/predictions").json()["count"] == 1
    small_disk.empty()
    assert client.post("/learn", json=body).status_code == 200
    assert client.post("/learn", json=body).json()["repeated"] is True
    assert frequencies(client) == [2]
    service.kill9()
    service.start()
    service.await_ready()
    assert frequencies(client_of(service)) == [2]


def test_on_a_full_disk_embedded_vectors_are_refused_until_there_is_space(
    small_disk: SmallDisk, new_service: New, client_of: Client
) -> None:
    service = started(new_service, DATA_DIR=str(small_disk.path), VECTORS="enabled")
    client = client_of(service)
    observed(client, "before")  # the knowledge file has its pages
    client.post("/learn")
    small_disk.fill()
    body = {"vectors": [[1.0, 2.0]]}
    refused(client.post("/observe", json=body))
    assert client.get("/stm").json()["stm"] == [["before"]]
    small_disk.empty()
    (symbol,) = client.post("/observe", json=body).json()["symbols"]
    service.kill9()
    service.start()
    service.await_ready()
    found = client_of(service).get(f"/vectors/{symbol}")
    assert (found.status_code, found.json().get("vector")) == (200, [1.0, 2.0])


async def test_a_read_only_knowledge_file_is_unavailable_until_it_can_be_written(
    small_disk: SmallDisk,
) -> None:
    path = small_disk.path / "log.sqlite"
    entry = Learn("token", "name", (("a", "b"),), None, 5)
    first = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    await first.start()
    await first.get("kato").append([entry], since=0)
    await first.close()
    small_disk.remount(options="ro")
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    with pytest.raises(StoreUnavailableError, match="writable"):
        await bases.start()
    with pytest.raises(StoreUnavailableError):
        await bases.get("kato").append([Learn("other", "name", (("a", "b"),), None, 5)], since=1)
    small_disk.remount(options="rw")
    await bases.start()
    applied = await bases.get("kato").append([entry], since=0, lookup=True)
    assert [each.revision for each in applied] == [1]
    assert await bases.get("kato").tail(deadline=Deadline.after(10)) == 1
    await bases.close()


def test_a_redis_with_a_full_disk_refuses_changes_until_there_is_space(
    small_disk: SmallDisk, redis_server: Any, new_service: New, client_of: Client
) -> None:
    with redis(redis_server.port) as admin:
        admin.config_set("appendfsync", "everysec")  # with always, it ends itself instead
    service = started(new_service, REDIS_URL=redis_server.url)
    client = client_of(service)
    observed(client, "a")
    small_disk.fill()
    answers = [client.post("/observe", json={"strings": ["x" * 1000]}) for _ in range(100)]
    acknowledged = sum(answer.status_code == 200 for answer in answers)
    message = refused(client.post("/observe", json={"strings": ["b"]}))
    assert "free space on its volume" in message
    assert client.get("/stm").json()["length"] == 1 + acknowledged
    until(lambda: health(service)["status"] == "degraded", "the service to notice the full disk")
    assert {answer.status_code for answer in answers} <= {200, 503}
    small_disk.empty()
    body = {"strings": ["c"], "unique_id": "c"}
    until(lambda: client.post("/observe", json=body).status_code == 200, "Redis to recover")
    assert client.get("/stm").json()["stm"][-1] == ["c"]
    assert client.get("/stm").json()["length"] == 2 + acknowledged


@in_full
def test_a_redis_killed_by_a_full_disk_restarts_with_everything_acknowledged(
    small_disk: SmallDisk, redis_server: Any, new_service: New, client_of: Client
) -> None:
    service = started(new_service, REDIS_URL=redis_server.url)
    client = client_of(service)
    observed(client, "a")
    small_disk.fill()
    acknowledged = 1
    while (
        client.post("/observe", json={"strings": ["x" * 1000]}).status_code == 200
        and acknowledged < 100
    ):
        acknowledged += 1
    refused(client.post("/observe", json={"strings": ["y"]}))
    redis_server.kill9()
    small_disk.empty()
    redis_server.start()
    service.await_ready()
    # The one whose answer got lost may be there, and the refused ones are not.
    assert client.get("/stm").json()["length"] in {acknowledged, acknowledged + 1}
    observed(client, "z")


@in_full
def test_on_a_full_disk_the_mongodb_stand_in_refuses_learns_until_there_is_space(
    small_disk: SmallDisk, mongo_server: Any, new_service: New, client_of: Client
) -> None:
    service = started(new_service, MONGO_BASE_URL=mongo_server.url, MONGO_POOL_MIN_SIZE="0")
    client = client_of(service)
    observed(client, "a", "b")
    assert client.post("/learn").status_code == 200
    observed(client, "a", "b")
    small_disk.fill()
    body = {"unique_id": "second"}
    refused(client.post("/learn", json=body))
    other = client_of(service)
    observed(other, "a")
    small_disk.empty()
    until(lambda: client.post("/learn", json=body).status_code == 200, "the log to recover")
    assert frequencies(client) == [2]


def redis(port: int) -> Any:
    from redis import Redis

    return Redis(port=port)


def health(service: Any) -> dict[str, Any]:
    found: dict[str, Any] = patient.get(f"{service.url}/v2/health").json()
    return found
