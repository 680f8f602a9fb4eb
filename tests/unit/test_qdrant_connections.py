"""Connections to Qdrant are kept only while Qdrant answers on them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kato_service.connections.qdrant_pool import QdrantConnectionPool, QdrantOptions
from kato_service.errors import StoreUnavailableError

FOREIGN = b"HTTP/1.1 404 Not Found\r\nserver: gateway\r\ncontent-length: 0\r\n\r\n"
BODY = b'{"result":{"collections":[]},"status":"ok","time":0.0}'
OWN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Address:
    """An address that leads to a gateway for the first connection, and to Qdrant afterwards."""

    def __init__(self) -> None:
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answer = FOREIGN if self.connections == 1 else OWN
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                if b"connection: close" in head.lower():
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
async def address() -> AsyncIterator[tuple[Address, str]]:
    found = Address()
    server = await asyncio.start_server(found.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield found, f"http://127.0.0.1:{port}"
    server.close()


async def test_a_connection_that_somebody_else_answers_is_left(
    address: tuple[Address, str],
) -> None:
    found, url = address
    pool = QdrantConnectionPool(QdrantOptions(url=url, timeout_s=5.0))
    await pool.open()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await pool.check()
        for _ in range(3):
            await pool.check()
    finally:
        await pool.close()
    # The second one was asked to end after its answer; the third is kept.
    assert found.connections == 3
