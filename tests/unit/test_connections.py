"""Connections whose clients do not do their part are given up; others never are."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from structlog.testing import capture_logs

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
async def serving() -> AsyncIterator[tuple[uvicorn.Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
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


async def until_dropped(server: uvicorn.Server) -> None:
    async with asyncio.timeout(20):
        while server.server_state.connections:
            await asyncio.sleep(0.01)


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
        with await asked(port, request_bytes):
            await asyncio.sleep(0.02)
            assert server.server_state.connections
            await until_dropped(server)


async def test_an_answer_that_is_read_slowly_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.LOOK_S", 0.5)
    monkeypatch.setattr(f"{MODULE}.READ_PATIENCE_S", 2.0)
    async with serving() as (_, port):
        with await asked(port) as client:
            received, loop = 0, asyncio.get_running_loop()
            while received < len(ANSWER):
                piece = await asyncio.wait_for(loop.sock_recv(client, 2**20), 20)
                assert piece
                received += len(piece)
                await asyncio.sleep(0.001)


async def test_the_rest_of_an_answer_that_nobody_reads_ends_with_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{MODULE}.LOOK_S", 0.05)
    monkeypatch.setattr(f"{MODULE}.READ_PATIENCE_S", 0.5)
    async with serving() as (server, port):
        with await asked(port):
            await asyncio.sleep(0.1)
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
                assert b" 101 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 20)
                await loop.sock_sendall(client, NO_TEXT)
                await until_dropped(server)
    assert [line["reason"] for line in lines] == ["its client sent text that is not UTF-8"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_socket_that_is_refused_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, port):
        with await asked(port, UPGRADE.replace(b" / ", b" /refused ")) as client:
            loop = asyncio.get_running_loop()
            assert b" 404 " in await asyncio.wait_for(loop.sock_recv(client, 4096), 20)
            await until_dropped(server)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_arrives_while_the_process_stands_still_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kato_service.server.http_protocol.HEAD_PATIENCE_S", 0.3)
    answer = uvloop.run(_answer_after_a_pause(monkeypatch))
    assert answer.startswith(b"HTTP/1.1 200")


async def _answer_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> bytes:
    read = BoundedHttpProtocol.data_received

    def read_slowly(protocol: BoundedHttpProtocol, data: bytes) -> None:
        if data == b"G":
            waiting.sendall(REQUEST)
            time.sleep(0.5)  # the process stands still
        read(protocol, data)

    monkeypatch.setattr(BoundedHttpProtocol, "data_received", read_slowly)
    async with serving() as (server, port):
        with await asked(port, b"") as waiting, await asked(port, b"") as other:
            while len(server.server_state.connections) < 2:
                await asyncio.sleep(0.01)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(other, b"G")
            return await asyncio.wait_for(loop.sock_recv(waiting, 99), 20)


async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kato_service.server.http_protocol.HEAD_PATIENCE_S", 0.3)
    async with serving() as (server, port):
        with await asked(port, b"") as client:
            assert not await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 99), 20)
            await until_dropped(server)
