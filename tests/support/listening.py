"""A port that tests can close at any moment without leaving a connection half made."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

TURNS = 20
"""Turns of the event loop in which a connection that was accepted becomes a pair of streams."""
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Accepts connections on 127.0.0.1 and serves each in a task.

    `asyncio.Server` loses a connection that it has accepted when it is closed before it has made
    a transport of it: the socket stays open until it is garbage.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._socket: socket.socket | None = None
        self.serving: set[asyncio.Task[None]] = set()
        """Connections that are being served."""

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self, port: int = 0) -> int:
        """Listen on *port*, or on a free one, and return it."""
        self._socket = socket.create_server(("127.0.0.1", port))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        bound: int = self._socket.getsockname()[1]
        return bound

    def close(self) -> None:
        """Accept no more; what was accepted is still served."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def begun(self) -> None:
        """Return once what was accepted before is being served."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def _accept(self) -> None:
        assert self._socket is not None
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._socket.accept()
            serving = asyncio.create_task(self._served(connection))
            self.serving.add(serving)
            serving.add_done_callback(self.serving.discard)

    async def _served(self, connection: socket.socket) -> None:
        await self._serve(*await asyncio.open_connection(sock=connection))
