"""Requests beyond what a process takes on are refused at once, in bounded memory."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

New = Callable[..., Any]
CLIENTS = 2000
PLACES = 20
OF_ONE_ADDRESS = 18
"""Places that one client address may hold."""
BODY_BYTES = 128 * 1024
PATIENCE_S = 120
JSON = {"content-type": "application/json"}


class HalfSent:
    """A request with half of its body sent: it is in progress until the rest is sent."""

    def __init__(self, port: int, path: str, body: bytes) -> None:
        self._port, self._path, self._body = port, path, body
        self._head = b""
        self.status = 0

    async def start(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(self._body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + self._body[: len(self._body) // 2])
        self.answer = asyncio.create_task(self._answer())

    async def finish(self) -> None:
        self._writer.write(self._body[len(self._body) // 2 :])
        async with asyncio.timeout(PATIENCE_S):
            await self.answer

    async def _answer(self) -> None:
        self._head = await self._reader.readuntil(b"\r\n\r\n")
        self.status = int(self._head.split()[1])
        length = self.header("content-length")
        self.content = json.loads(await self._reader.readexactly(int(length)))

    def header(self, name: str) -> str:
        lines = self._head.decode().lower().split("\r\n")
        found = dict(line.split(": ", 1) for line in lines if ": " in line)
        return found.get(name, "")

    def close(self) -> None:
        self.answer.cancel()
        self._writer.close()


@asynccontextmanager
async def sent(requests: list[HalfSent]) -> AsyncIterator[list[HalfSent]]:
    limit = asyncio.Semaphore(100)

    async def start(request: HalfSent) -> None:
        async with limit:
            await request.start()

    await asyncio.gather(*map(start, requests))
    try:
        yield requests
    finally:
        for request in requests:
            request.close()


async def refused(requests: list[HalfSent], count: int) -> list[HalfSent]:
    """The *count* requests that are answered before they are complete; there must be no more."""
    waiting = {request.answer for request in requests}
    async with asyncio.timeout(PATIENCE_S):
        while len(requests) - len(waiting) < count:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.2)
    found = [request for request in requests if request.answer.done()]
    assert len(found) == count
    return found


def started(new_service: New, **variables: str) -> Any:
    patient_too = {"REQUEST_TIMEOUT": "300"}  # requests wait for the rest that a test sends later
    service = new_service(VECTORS="disabled", **patient_too, **variables)
    service.start()
    service.await_ready()
    return service


async def path_of_session(service: Any) -> str:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        made = await client.post(f"{service.url}/v2/sessions")
    return f"/v2/sessions/{made.json()['session_id']}"


def observation(symbol: str) -> bytes:
    return json.dumps({"strings": [symbol]}).encode()


async def test_two_thousand_requests_at_once_are_served_or_refused_in_bounded_memory(
    new_service: New,
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * CLIENTS + 500:
        pytest.skip(f"needs {2 * CLIENTS + 500} open files: ulimit -n")
    service = started(new_service, MAX_REQUESTS_IN_FLIGHT=str(PLACES))
    path = f"{await path_of_session(service)}/observe"
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss
    body = observation("s") + b" " * BODY_BYTES
    async with sent([HalfSent(service.port, path, body) for _ in range(CLIENTS)]) as requests:
        turned_away = await refused(requests, CLIENTS - OF_ONE_ADDRESS)
        grown = process.memory_info().rss - before
        assert await answers(service, "/health/live", "/health/ready", "/v2/health") == {200}
        taken = [request for request in requests if request not in turned_away]
        await asyncio.gather(*(request.finish() for request in taken))
    assert {request.status for request in taken} == {200}
    assert {code(request) for request in turned_away} == {(503, "OVERLOADED", "1")}
    assert grown < 64 * 2**20
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as client:
        stm = (await client.get(path.replace("observe", "stm"))).json()
        shown = (await client.get("/metrics")).text
    assert stm["length"] == OF_ONE_ADDRESS
    assert f'kato_requests_shed_total{{limit="requests"}} {CLIENTS - OF_ONE_ADDRESS}.0' in shown
    assert 'status="500"' not in shown


def code(request: HalfSent) -> tuple[int, str, str]:
    return request.status, request.content["error"]["code"], request.header("retry-after")


async def answers(service: Any, *paths: str) -> set[int]:
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as client:
        return {(await client.get(path)).status_code for path in paths}


async def test_a_frame_beyond_the_limit_is_refused_under_its_id_and_the_socket_stays_open(
    new_service: New,
) -> None:
    service = started(new_service, MAX_REQUESTS_IN_FLIGHT="2")
    session = await path_of_session(service)
    frame = json.dumps({"type": "observe", "payload": {"strings": ["w"]}, "id": 7})
    url = service.url.replace("http", "ws") + f"{session}/ws"
    half = [HalfSent(service.port, f"{session}/observe", observation("h")) for _ in range(3)]
    async with connect(url) as socket, sent(half):
        turned_away = await refused(half, 1)
        await socket.send(frame)
        reply = json.loads(await socket.recv())
        assert (reply["type"], reply["error"]["code"], reply["id"]) == ("error", "OVERLOADED", 7)
        for request in half:
            if request not in turned_away:
                await request.finish()
        await socket.send(frame)
        assert json.loads(await socket.recv())["type"] == "observation_result"
    assert await answers(service, f"{session}/stm") == {200}


async def test_bodies_that_are_too_large_together_are_refused(new_service: New) -> None:
    service = started(new_service, MAX_BODY_BYTES="20000")
    path = f"{await path_of_session(service)}/observe"
    body = observation("s").ljust(20_000)
    async with sent([HalfSent(service.port, path, body) for _ in range(20)]) as requests:
        turned_away = await refused(requests, 6)  # 14 halves have the bytes of the 7 bodies allowed
        assert {code(request)[:2] for request in turned_away} == {(503, "OVERLOADED")}
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as client:
        assert (await client.post(path, content=body, headers=JSON)).status_code == 200
