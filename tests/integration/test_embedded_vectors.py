"""Embedded vectors of a service: in one file, also those that earlier versions left."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient

from kato_service.domain.identity import processor_id_of
from kato_service.processing.vectors.vector_names import vector_symbol
from support.older_vectors import Vector, store_as_before
from support.services import NewService, ServiceProcess

VECTOR = {"strings": [], "vectors": [[1.0, 2.0, 3.0]]}


def _loads_qdrant(service: ServiceProcess) -> bool:
    """Whether the process has the client's module of the wire format."""
    assert service.process is not None
    maps = Path(f"/proc/{service.process.pid}/maps").read_text(encoding="utf-8")
    return "grpc" in maps


def _session(url: str, user: str = "v") -> str:
    session_id = httpx.post(f"{url}/v2/sessions", json={"user_id": user}, timeout=60).json()
    return f"{url}/v2/sessions/{session_id['session_id']}"


def _started(service: ServiceProcess) -> ServiceProcess:
    service.start()
    service.await_ready()
    return service


def _older(folder: Path, vectors: dict[str, list[Vector]]) -> None:
    """Leave *vectors* of users as an earlier version left them in *folder*."""

    async def fill() -> None:
        client = AsyncQdrantClient(path=str(folder))
        for user, some in vectors.items():
            kb = processor_id_of("kato", user)
            await store_as_before(client, kb, 0, {vector_symbol(each): each for each in some})
        await client.close()

    asyncio.run(fill())


def _found(url: str, user: str, vectors: list[Vector]) -> bool:
    session = _session(url, user)
    return all(
        httpx.get(f"{session}/vectors/{vector_symbol(each)}", timeout=60).json().get("vector")
        == list(each)
        for each in vectors
    )


def test_a_vector_is_stored_found_and_survives_a_restart(new_service: NewService) -> None:
    service = _started(new_service())
    session = _session(service.url)
    assert httpx.get(f"{session}/vectors/VCTR%7Cnone", timeout=60).status_code == 404
    assert httpx.post(f"{session}/clear-all", timeout=60).status_code == 200
    observed = httpx.post(f"{session}/observe", json=VECTOR, timeout=60)
    assert observed.status_code == 200, observed.text
    (symbol,) = httpx.get(f"{session}/stm", timeout=60).json()["stm"][0]
    service.kill9()
    _started(service)
    found = httpx.get(f"{_session(service.url)}/vectors/{symbol}", timeout=60)
    assert found.json()["vector"] == VECTOR["vectors"][0]
    assert not _loads_qdrant(service)


def test_vectors_of_an_earlier_version_are_taken_over_and_cleared(new_service: NewService) -> None:
    service = new_service()
    folder = service.directory / "data" / "vectors"
    vectors = {f"u{n}": [(float(n + 1), 1.0, 0.5), (1.0, float(n), 0.0)] for n in range(3)}
    _older(folder, vectors)
    _started(service)
    assert not _loads_qdrant(service)
    assert all(_found(service.url, user, some) for user, some in vectors.items())
    session = _session(service.url, "u0")
    near = httpx.post(f"{session}/observe", json={"vectors": [[1.0, 1.0, 0.51]]}, timeout=60)
    assert vector_symbol(vectors["u0"][0]) in near.json()["symbols"]
    assert httpx.post(f"{session}/clear-all", timeout=60).status_code == 200
    kept = [each.name for each in (folder / "collection").iterdir()]
    assert sorted(kept) == sorted(
        f"kato_{processor_id_of('kato', user)}_0" for user in ("u1", "u2")
    )
    service.kill9()
    _started(service)
    assert not _found(service.url, "u0", vectors["u0"])
    assert _found(service.url, "u1", vectors["u1"])


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.4])
def test_a_takeover_that_is_killed_is_continued(new_service: NewService, after_s: float) -> None:
    service = new_service()
    vectors = {f"u{n}": [(float(n + 1), float(k), 0.5) for k in range(40)] for n in range(12)}
    folder = service.directory / "data" / "vectors"
    _older(folder, vectors)
    service.start()
    deadline = time.monotonic() + 60
    while not (folder / "vectors.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(after_s)  # wherever it hits, the outcome is the same
    service.kill9()
    _started(service)
    assert all(_found(service.url, user, some[::13]) for user, some in vectors.items())


def test_a_damaged_file_of_an_earlier_version_stops_the_start_in_one_line(
    new_service: NewService,
) -> None:
    service = new_service()
    file = service.directory / "data" / "vectors" / "collection" / "kato_kato_0" / "storage.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 1000)
    service.start()
    assert service.process is not None
    assert service.process.wait(60) == 2
    assert "DATA_DIR: vectors of an earlier version are not taken over: the file" in service.log
    assert "Traceback" not in service.log


def test_two_processes_cannot_use_the_same_files(new_service: Any) -> None:
    first = _started(new_service())
    second = ServiceProcess(first.directory, {})
    second.start()
    assert second.process is not None
    assert second.process.wait(60) == 2
    assert "DATA_DIR: another process uses its vectors" in first.log
    assert httpx.post(f"{_session(first.url)}/observe", json=VECTOR, timeout=60).status_code == 200
