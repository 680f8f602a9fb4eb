"""Connections whose clients do not do their part are dropped; others never are."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from kato_service.server.answer_reading import AnswerReading, ReadingLimits
from kato_service.server.http_protocol import BoundedHttpProtocol, HeadLimits
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol

ANSWER = b"x" * 20_000_000
STEADY_BYTES = 6_000_000
"""Of an answer, read in some seconds: more than twice what the kernel holds of it."""
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
INVALID_TEXT_FRAME = b"\x81\x82\0\0\0\0\xff\xff"


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/refused":
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"{}"})
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        if scope["path"] != "/silent":
            await send({"type": "websocket.send", "bytes": ANSWER})
        while (await receive())["type"] != "websocket.disconnect":
            continue
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


async def streamed(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(0, len(ANSWER), 2**16):
        await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})


def with_limits(protocol: type[AnswerReading], limits: ReadingLimits) -> type[Any]:
    return type(protocol.__name__, (protocol,), {"reading_limits": limits})


@asynccontextmanager
async def serving(
    application: Any = app,
    *,
    http: type[BoundedHttpProtocol] = BoundedHttpProtocol,
    reading: ReadingLimits | None = None,
) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    limits = reading or ReadingLimits()
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=with_limits(http, limits),
        ws=with_limits(BoundedWebSocketProtocol, limits),
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


async def asked(port: int, request: bytes = REQUEST) -> socket.socket:
    """A connection that sent *request* and reads nothing yet."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, request)
    return client


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.01)


async def until_dropped(server: uvicorn.Server) -> None:
    await until(lambda: not server.server_state.connections)


@pytest.mark.parametrize("request_bytes", [REQUEST, UPGRADE], ids=["http", "websocket"])
@pytest.mark.parametrize(
    ("patience_s", "limit_bytes"),
    [pytest.param(0.2, 2**40, id="too slow"), pytest.param(60, 0, id="too many")],
)
async def test_the_connection_of_an_answer_that_nobody_reads_is_dropped(
    patience_s: float, limit_bytes: int, request_bytes: bytes
) -> None:
    limits = ReadingLimits(patience_s=patience_s, max_unread_bytes=limit_bytes, look_s=0.05)
    async with serving(reading=limits) as (server, port):
        with await asked(port, request_bytes) as client:
            # The first byte of the answer: from here on nobody reads it.
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 60)
            await until_dropped(server)


async def test_an_answer_that_is_read_slowly_arrives_completely() -> None:
    async with serving(reading=ReadingLimits(patience_s=2.0, look_s=0.5)) as (_, port):
        with await asked(port) as client:
            received, loop = 0, asyncio.get_running_loop()
            while received < len(ANSWER):
                piece = await asyncio.wait_for(loop.sock_recv(client, 2**20), 60)
                assert piece
                received += len(piece)
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_client_that_reads_slowly_but_steadily_is_not_dropped(is_streamed: bool) -> None:
    """The kernel takes more of an answer only when a third of what it holds has been read: that
    takes longer than the patience, though the client reads several times what it has to."""
    limits = ReadingLimits(patience_s=0.3, look_s=0.1)
    loop = asyncio.get_running_loop()
    async with serving(streamed if is_streamed else app, reading=limits) as (_, port):
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, REQUEST)
            received = 0
            while received < STEADY_BYTES:
                piece = await asyncio.wait_for(loop.sock_recv(client, 2**16), 60)
                assert piece, f"dropped after {received} bytes"
                received += len(piece)
                await asyncio.sleep(0.05)


async def test_a_standstill_of_the_process_is_not_held_against_a_client() -> None:
    limits = ReadingLimits(patience_s=0.5, look_s=0.5)
    async with serving(reading=limits) as (_, port):
        with await asked(port) as client:
            received, loop = 0, asyncio.get_running_loop()
            while received < len(ANSWER):
                piece = await asyncio.wait_for(loop.sock_recv(client, 2**20), 60)
                assert piece
                if not received:
                    time.sleep(1.0)  # server and client share this event loop
                received += len(piece)


async def test_a_closed_connection_is_dropped_if_nobody_reads_its_last_answer() -> None:
    async with serving(reading=ReadingLimits(patience_s=2.0, look_s=0.05)) as (server, port):
        with await asked(port) as client:
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 60)
            (connection,) = server.server_state.connections
            assert isinstance(connection, BoundedHttpProtocol)
            connection._end_reading()
            connection.timeout_keep_alive_handler()
            await until_dropped(server)


async def test_a_text_frame_that_is_not_utf8_ends_its_socket_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture_logs() as lines:
        async with serving() as (server, port):
            with await asked(port, UPGRADE.replace(b" / ", b" /silent ")) as client:
                loop = asyncio.get_running_loop()
                assert b" 101 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 60)
                await loop.sock_sendall(client, INVALID_TEXT_FRAME)
                await until_dropped(server)
    assert [line["reason"] for line in lines] == ["its client sent text that is not UTF-8"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_refused_socket_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, port):
        with await asked(port, UPGRADE.replace(b" / ", b" /refused ")) as client:
            loop = asyncio.get_running_loop()
            assert b" 404 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 60)
            await until_dropped(server)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_at_the_end_of_the_server_the_application_closes_open_sockets() -> None:
    answering = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await answering.wait()
        await send({"type": "websocket.send", "text": "answer"})
        await send({"type": "websocket.close", "code": 1001})

    async with serving(slow) as (server, port), connect(f"ws://127.0.0.1:{port}") as client:
        server.should_exit = True
        await until(lambda: not any(one.is_serving() for one in server.servers))
        answering.set()
        assert await client.recv() == "answer"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_a_request_that_arrives_while_the_process_stands_still_is_answered() -> None:
    answer = uvloop.run(_answer_after_a_pause())
    assert answer.startswith(b"HTTP/1.1 200")


async def _answer_after_a_pause() -> bytes:
    class StandingStill(BoundedHttpProtocol):
        head_limits = HeadLimits(patience_s=1.5)

        def data_received(self, data: bytes) -> None:
            if data == b"G":
                waiting.sendall(REQUEST)
                time.sleep(2.0)
            super().data_received(data)

    async with serving(http=StandingStill) as (server, port):
        with await asked(port, b"") as waiting, await asked(port, b"") as other:
            await until(lambda: len(server.server_state.connections) == 2)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(other, b"G")
            return await asyncio.wait_for(loop.sock_recv(waiting, 99), 60)


async def test_a_connection_that_sends_no_request_is_closed() -> None:
    class Impatient(BoundedHttpProtocol):
        head_limits = HeadLimits(patience_s=0.3)

    async with serving(http=Impatient) as (server, port):
        with await asked(port, b"") as client:
            assert not await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 99), 60)
            await until_dropped(server)
