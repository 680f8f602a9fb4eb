"""A client that sends the smallest things in masses: others are served, memory stays bounded."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from support.raw_http import head, opened, received

MiB = 2**20
GROWTH_MIB = 40
"""How much the memory of the service may grow. Pipelined requests alone took 350 MiB."""
DELAY_S = 0.5
"""Seconds of processor time that one answer to somebody else may take meanwhile. It took 7."""
FLOOD_S = 3.0
UPGRADE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")
NO_MASK = bytes(4)
PING = b"\x89\xfd" + NO_MASK + b"x" * 125


@dataclass
class Worst:
    """The slowest answer to another client."""

    seconds: float = 0.0


@contextmanager
def _another_client(service: Any, process: psutil.Process) -> Iterator[Worst]:
    """Asks all the time; counts the service's processor time per answer, as the machine is busy."""
    worst, stopped = Worst(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not stopped.wait(0.005):
                before = _computed_s(process)
                client.get("/health/live").raise_for_status()
                worst.seconds = max(worst.seconds, _computed_s(process) - before)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield worst
    finally:
        stopped.set()
        thread.join()


def _computed_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _flooded(connection: socket.socket, unit: bytes) -> None:
    """Send *unit* over and over, without reading, until the service reads no more."""
    connection.settimeout(FLOOD_S)
    block = unit * (MiB // len(unit))
    give_up_at = time.monotonic() + FLOOD_S
    with suppress(OSError):
        while time.monotonic() < give_up_at:
            connection.sendall(block)


@pytest.mark.parametrize(
    ("first", "unit"),
    [
        pytest.param(b"", head("GET", "/health/live"), id="pipelined requests"),
        pytest.param(head("POST", "/v2/sessions", *CHUNKED), b"1\r\n \r\n", id="tiny chunks"),
    ],
)
def test_a_flood_of_requests_delays_nobody(new_service: Any, first: bytes, unit: bytes) -> None:
    _assert_harmless(new_service(), first, unit)


@pytest.mark.parametrize(
    ("first", "unit"),
    [
        pytest.param(b"", PING, id="pings whose pongs are not read"),
        pytest.param(b"", b"\x89\x80" + NO_MASK, id="empty pings"),
        pytest.param(b"\x01\x80" + NO_MASK, b"\x00\x80" + NO_MASK, id="empty fragments"),
        pytest.param(b"", b"\x81\x8f" + NO_MASK + b'{"type":"ping"}', id="messages"),
    ],
)
def test_a_flood_of_frames_delays_nobody(new_service: Any, first: bytes, unit: bytes) -> None:
    _assert_harmless(new_service(), first, unit, upgrade=True)


def _assert_harmless(service: Any, first: bytes, unit: bytes, *, upgrade: bool = False) -> None:
    service.start()
    service.await_ready()
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss
    with opened(service.url) as connection, _another_client(service, process) as worst:
        if upgrade:
            _upgraded(service.url, connection)
        connection.sendall(first)
        _flooded(connection, unit)
        grown = (process.memory_info().rss - before) / MiB
    assert (grown < GROWTH_MIB, worst.seconds < DELAY_S) == (True, True), (grown, worst)
    assert httpx.get(f"{service.url}/health", timeout=60).json()["status"] == "healthy"
    assert '"level":"error"' not in service.log


def _upgraded(url: str, connection: socket.socket) -> None:
    session_id = httpx.post(f"{url}/v2/sessions", json={}).json()["session_id"]
    connection.sendall(head("GET", f"/v2/sessions/{session_id}/ws", *UPGRADE))
    assert received(connection).status == 101


def test_a_message_in_too_many_frames_ends_its_socket(service_url: str) -> None:
    with opened(service_url) as connection:
        _upgraded(service_url, connection)
        connection.sendall(b"\x01\x80" + NO_MASK + (b"\x00\x80" + NO_MASK) * 4096)
        answer = connection.recv(1024)
    assert struct.unpack("!H", answer[2:4]) == (1009,)
    assert answer[4:] == b"a message has more than 4096 frames"


def test_pipelined_requests_are_answered_in_order_however_many(service_url: str) -> None:
    count = 3000
    ids = [f"X-Request-ID: r{number}" for number in range(count)]
    requests = b"".join(head("GET", "/health/live", name) for name in ids)
    with opened(service_url) as connection:
        sender = threading.Thread(target=connection.sendall, args=(requests,))
        sender.start()
        data = b""
        while data.count(b'{"status":"alive"}') < count and (piece := connection.recv(65536)):
            data += piece
        sender.join()
    lines = [line for line in data.decode().split("\r\n") if line.startswith("x-request-id: ")]
    assert lines == [name.lower() for name in ids]
