"""What differs between both clients in more than `await`; written by hand in both packages."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kato_client import sockets, transfers

sleep = asyncio.sleep


async def sent_of(path: Path) -> AsyncIterator[bytes]:
    """The content of a file as the body of a request."""
    for piece in transfers.pieces_of(path):
        yield piece


class AsyncSocket:
    """A WebSocket to an instance. It asks for signs of life while it waits."""

    def __init__(self, url: str, opened: Any) -> None:
        self._url, self._opened = url, opened

    async def send(self, frame: str) -> None:
        with sockets.failures_of(self._url):
            await self._opened.send(frame)

    async def receive(self) -> str:
        """The next frame."""
        with sockets.failures_of(self._url):
            return str(await self._opened.recv())


@asynccontextmanager
async def socket_to(
    url: str, headers: dict[str, str], tls: ssl.SSLContext | None
) -> AsyncIterator[AsyncSocket]:
    """A WebSocket that is closed at the end."""
    connect = sockets.asynchronous()
    opening = connect(url, additional_headers=headers, ssl=tls, **sockets.OPTIONS)
    with sockets.failures_of(url):
        opened = await opening.__aenter__()
    try:
        yield AsyncSocket(url, opened)
    finally:
        await opening.__aexit__(None, None, None)
