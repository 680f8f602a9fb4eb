"""Connections whose clients do not do their part are given up; others never are."""

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

from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol

MODULE = "kato_service.server.answer_reading"
ANSWER = b"x" * 20_000_000
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
NO_TEXT = b"\x81\x82\0\0\0\0\xff\xff"
"""A frame of text that is none."""


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


@asynccontextmanager
async def serving(application: Any = app) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocketProtocol,
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
    """A connection whose answer waits."""
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
async def test_an_answer_that_nobody_reads_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, patience_s: float, limit_bytes: int, request_bytes: bytes
) -> None:
    monkeypatch.setattr(f"{MODULE}.LOOK_S", 0.05)
    monkeypatch.setattr(f"{MODULE}.READ_PATIENCE_S", patience_s)
    monkeypatch.setattr(f"{MODULE}.MAX_UNREAD_BYTES", limit_bytes)
    async with serving() as (server, port):
        with await asked(port, request_bytes) as client:
            # The first byte of the answer: from here on nobody reads it.
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 60)
            await until_dropped(server)


async def test_an_answer_that_is_read_slowly_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.LOOK_S", 0.5)
    monkeypatch.setattr(f"{MODULE}.READ_PATIENCE_S", 2.0)
    async with serving() as (_, port):
        with await asked(port) as client:
            received, loop = 0, asyncio.get_running_loop()
            while received < len(ANSWER):
                piece = await asyncio.wait_for(loop.sock_recv(client, 2**20), 60)
                assert piece
                received += len(piece)
                await asyncio.sleep(0.001)


async def test_the_rest_of_an_answer_that_nobody_reads_ends_with_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{MODULE}.LOOK_S", 0.05)
    monkeypatch.setattr(f"{MODULE}.READ_PATIENCE_S", 2.0)
    async with serving() as (server, port):
        with await asked(port) as client:
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 60)
            (connection,) = server.server_state.connections
            assert isinstance(connection, BoundedHttpProtocol)
            connection._end_reading()
            connection.timeout_keep_alive_handler()
            await until_dropped(server)


async def test_text_that_is_none_ends_its_socket_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture_logs() as lines:
        async with serving() as (server, port):
            with await asked(port, UPGRADE.replace(b" / ", b" /silent ")) as client:
                loop = asyncio.get_running_loop()
                assert b" 101 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 60)
                await loop.sock_sendall(client, NO_TEXT)
                await until_dropped(server)
    assert [line["reason"] for line in lines] == ["its client sent text that is not UTF-8"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_socket_that_is_refused_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, port):
        with await asked(port, UPGRADE.replace(b" / ", b" /refused ")) as client:
            loop = asyncio.get_running_loop()
            assert b" 404 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 60)
            await until_dropped(server)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_end_of_the_server_leaves_open_sockets_to_the_application() -> None:
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


def test_what_arrives_while_the_process_stands_still_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kato_service.server.http_protocol.HEAD_PATIENCE_S", 1.5)
    answer = uvloop.run(_answer_after_a_pause(monkeypatch))
    assert answer.startswith(b"HTTP/1.1 200")


async def _answer_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> bytes:
    read = BoundedHttpProtocol.data_received

    def read_slowly(protocol: BoundedHttpProtocol, data: bytes) -> None:
        if data == b"G":
            waiting.sendall(REQUEST)
            time.sleep(2.0)  # the process stands still
        read(protocol, data)

    monkeypatch.setattr(BoundedHttpProtocol, "data_received", read_slowly)
    async with serving() as (server, port):
        with await asked(port, b"") as waiting, await asked(port, b"") as other:
            await until(lambda: len(server.server_state.connections) == 2)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(other, b"G")
            return await asyncio.wait_for(loop.sock_recv(waiting, 99), 60)


async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kato_service.server.http_protocol.HEAD_PATIENCE_S", 0.3)
    async with serving() as (server, port):
        with await asked(port, b"") as client:
            assert not await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 99), 60)
            await until_dropped(server)
