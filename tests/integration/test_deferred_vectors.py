"""Qdrant's client is loaded when the first vector arrives, and nobody notices but the start."""

from pathlib import Path
from typing import Any

import httpx

from support.services import ServiceProcess

VECTOR = {"strings": [], "vectors": [[1.0, 2.0, 3.0]]}


def _loaded(service: ServiceProcess) -> bool:
    """Whether the process has the client's module of the wire format."""
    assert service.process is not None
    maps = Path(f"/proc/{service.process.pid}/maps").read_text(encoding="utf-8")
    return "grpc" in maps


def _session(url: str) -> str:
    session_id = httpx.post(f"{url}/v2/sessions", json={"user_id": "v"}, timeout=60).json()
    return f"{url}/v2/sessions/{session_id['session_id']}"


def test_a_vector_is_stored_found_and_survives_a_restart(new_service: Any) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    session = _session(service.url)
    assert httpx.get(f"{session}/vectors/VCTR%7Cnone", timeout=60).status_code == 404
    assert httpx.post(f"{session}/clear-all", timeout=60).status_code == 200
    assert not _loaded(service)

    observed = httpx.post(f"{session}/observe", json=VECTOR, timeout=60)
    assert observed.status_code == 200, observed.text
    (symbol,) = httpx.get(f"{session}/stm", timeout=60).json()["stm"][0]
    assert _loaded(service)
    service.stop()

    service.start()
    service.await_ready()
    assert _loaded(service)
    found = httpx.get(f"{_session(service.url)}/vectors/{symbol}", timeout=60)
    assert found.json()["vector"] == VECTOR["vectors"][0]


def test_a_list_of_collections_that_was_only_begun_is_begun_again(new_service: Any) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    service.stop()
    (lock,) = service.directory.rglob(".lock")
    (lock.parent / "meta.json").touch()  # what a kill, or a full disk, can leave
    service.start()
    service.await_ready()
    assert (
        httpx.post(f"{_session(service.url)}/observe", json=VECTOR, timeout=60).status_code == 200
    )


def test_a_damaged_list_of_collections_stops_the_start_in_one_line(new_service: Any) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    service.stop()
    (lock,) = service.directory.rglob(".lock")
    (lock.parent / "meta.json").write_text('{"collections": {"a"', encoding="utf-8")
    damaged = ServiceProcess(service.directory, {})
    damaged.start()
    assert damaged.process is not None
    assert damaged.process.wait(60) == 2
    assert "meta.json is damaged; accepted: the folder as a backup restored it" in damaged.log
    assert "Traceback" not in damaged.log


def test_two_processes_cannot_use_the_same_files_before_the_first_vector(
    new_service: Any,
) -> None:
    first = new_service()
    first.start()
    first.await_ready()
    second = ServiceProcess(first.directory, {})
    second.start()
    assert second.process is not None
    assert second.process.wait(60) == 2
    assert "DATA_DIR: another process uses its vectors" in first.log
    assert httpx.post(f"{_session(first.url)}/observe", json=VECTOR, timeout=60).status_code == 200
