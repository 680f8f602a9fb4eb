"""What an ended connection leaves: nothing that only the garbage collector would find."""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from kato_service.server.http_protocol import BoundedHttpProtocol
from kato_service.server.websocket_protocol import BoundedWebSocketProtocol
from support.certificates import pair

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LATE = b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CONNECTIONS = 5


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        if scope["path"] == "/refused":
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"{}"})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"text"})
        while (await receive())["type"] != "websocket.disconnect":
            continue
        return
    if scope["path"] == "/late":
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answer"})


@asynccontextmanager
async def serving(certificate: Path | None, key: Path | None) -> AsyncIterator[int]:
    files = {"ssl_certfile": certificate, "ssl_keyfile": key} if certificate else {}
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocketProtocol,
        lifespan="off",
        log_config=None,
        **files,  # type: ignore[arg-type]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await serving


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> list[str]:
    """What is left of connections of the server, by type."""
    wanted = ("BoundedHttpProtocol", "BoundedWebSocketProtocol", "SSLProtocol", "TCPTransport")
    found = (type(one).__name__ for one in gc.get_objects())
    return sorted(name for name in found if name in wanted)


async def _until_none_is_left() -> None:
    for _ in range(100):
        if not held():
            return
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("request_bytes", "waits"),
    [
        pytest.param(GET, True, id="answered"),
        pytest.param(GET + GET, True, id="two answered"),
        pytest.param(LATE, False, id="left before the answer"),
        pytest.param(LATE + GET, False, id="left with one waiting for another"),
        pytest.param(LATE + GET + GET, False, id="left with two waiting"),
        pytest.param(POST, True, id="answered without its body"),
        pytest.param(b"nonsense\r\n\r\n", True, id="not HTTP"),
        pytest.param(UPGRADE, True, id="a WebSocket"),
        pytest.param(GET + UPGRADE, True, id="a WebSocket after a request"),
        pytest.param(UPGRADE.replace(b" / ", b" /refused "), True, id="a refused WebSocket"),
    ],
)
def test_an_ended_connection_is_freed_at_once(
    tmp_path: Path, request_bytes: bytes, waits: bool, tls: bool
) -> None:
    certificate, key = pair(tmp_path, "localhost") if tls else (None, None)
    context = ssl._create_unverified_context() if tls else None

    async def connect_and_leave(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(request_bytes)
        await writer.drain()
        if waits:
            assert await reader.read(1)
        else:
            await asyncio.sleep(0.05)
        writer.transport.abort()

    async def left_of_many() -> list[str]:
        async with serving(certificate, key) as port:
            for _ in range(CONNECTIONS):
                await connect_and_leave(port)
            await _until_none_is_left()
            return held()

    assert uvloop.run(left_of_many()) == []
