"""How often the server writes to a connection: a head and the body after it go out together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol

PATIENCE_S = 20.0
LARGE = b"x" * (1 << 20)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
Send = Callable[[dict[str, Any]], Awaitable[None]]
writes: list[bytes] = []


class Recorded:
    """A transport that notes what is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        writes.append(bytes(data))
        self._transport.write(data)


class Recording(BoundedHttpProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base
        super().connection_made(Recorded(transport))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _none_written() -> None:
    writes.clear()


@asynccontextmanager
async def connected(
    *bodies: bytes,
    status: int = 200,
    wait: asyncio.Event | None = None,
    close: bool = False,
    reads: bool = False,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that answers with these pieces, the first after *wait*.

    Args:
        reads: It reads the body of the request first.
    """

    async def answer(_scope: Any, receive: Any, send: Send) -> None:
        if reads:
            assert (await receive())["body"] == b"body"
        length = [] if len(bodies) > 1 else [(b"content-length", b"%d" % len(b"".join(bodies)))]
        headers = [*length, *([(b"connection", b"close")] if close else [])]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if wait is not None:
            await wait.wait()
        for left, body in zip(range(len(bodies))[::-1], bodies, strict=True):
            await send({"type": "http.response.body", "body": body, "more_body": left > 0})

    config = uvicorn.Config(
        answer, http=Recording, ws=BoundedWebSocketProtocol, lifespan="off", log_config=None
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        try:
            yield reader, writer
        finally:
            if wait is not None:
                wait.set()
            writer.close()
            server.should_exit = True
            await serving


async def received(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), PATIENCE_S)


async def test_each_answer_is_one_write() -> None:
    async with connected(b"hello") as (reader, writer):
        writer.write(GET + GET + LAST)
        got = await received(reader)
    assert got.count(b"HTTP/1.1 200") == got.count(b"\r\n\r\nhello") == 3
    assert len(writes) == 3
    assert b"".join(writes) == got


async def test_an_answer_that_closes_the_connection_arrives_whole() -> None:
    async with connected(b"hello", close=True) as (reader, writer):
        writer.write(GET)
        assert (await received(reader)).endswith(b"\r\n\r\nhello")
    assert len(writes) == 1


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
async def test_an_answer_without_a_body_is_its_head(method: bytes) -> None:
    async with connected(b"", status=204) as (reader, writer):
        writer.write(LAST.replace(b"GET", method))
        got = await received(reader)
    assert got.startswith(b"HTTP/1.1 204")
    assert got.endswith(b"\r\n\r\n")
    assert b"".join(writes) == got


async def test_the_answer_to_head_does_not_wait_for_the_next_one() -> None:
    async with connected(b"hello") as (reader, writer):
        writer.write(GET.replace(b"GET", b"HEAD"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"HTTP/1.1 200")
        writer.write(LAST)
        assert (await received(reader)).endswith(b"\r\n\r\nhello")
    assert len(writes) == 2


async def test_a_head_does_not_wait_for_a_body_that_takes_time() -> None:
    wait = asyncio.Event()
    async with connected(b"first", b"second", wait=wait) as (reader, writer):
        writer.write(LAST)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"HTTP/1.1 200")
        assert len(writes) == 1
        wait.set()
        assert await received(reader) == b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"


async def test_a_client_that_waits_with_its_body_is_told_to_go_on() -> None:
    async with connected(b"hello", reads=True) as (reader, writer):
        head = LAST.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\ncontent-length: 4\r\n")
        writer.write(head + b"expect: 100-continue\r\n\r\n")
        told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert told.startswith(b"HTTP/1.1 100 ")
        writer.write(b"body")
        assert (await received(reader)).endswith(b"\r\n\r\nhello")
    assert len(writes) == 2


async def test_a_large_body_is_not_copied_to_follow_its_head() -> None:
    async with connected(LARGE) as (reader, writer):
        writer.write(LAST)
        assert (await received(reader)).endswith(LARGE)
    assert [len(one) >= len(LARGE) for one in writes] == [False, True]
    assert writes[1] == LARGE
