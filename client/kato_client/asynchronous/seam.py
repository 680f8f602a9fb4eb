"""What differs between both clients in more than `await`; written by hand in both packages."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from kato_client import sockets

P = ParamSpec("P")
R = TypeVar("R")
sleep = asyncio.sleep


async def blocking(work: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """What *work* returns, which may wait for a disk: it runs in a thread, off the event loop.

    It has always ended when this does, also if the caller is cancelled.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *given, **named))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])


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
