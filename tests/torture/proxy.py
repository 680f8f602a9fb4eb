"""A TCP proxy that injects network faults on command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from support.listening import Listener

CHUNK = 1 << 16


class TortureProxy:
    """A proxy to one server; it delays or drops data, and never changes a byte."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._delay_s = 0.0
        self._passing = asyncio.Event()
        self._passing.set()
        self._listener = Listener(self._serve)
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen; from the second time on at the same port as before."""
        self.port = self._listener.open(self.port)

    def cut(self) -> None:
        """Abort every connection."""
        for stream in self._streams:
            stream.transport.abort()

    def slow_down(self, delay_s: float) -> None:
        """Delay every piece of data, in both directions."""
        self._delay_s = delay_s

    def swallow(self) -> None:
        """Accept connections and data but deliver nothing, like a lost network."""
        self._passing.clear()

    def refuse(self) -> None:
        """Abort every connection and accept no new one."""
        self._listener.close()
        self.cut()

    async def heal(self) -> None:
        """Work normally again; data that was held back is delivered late."""
        self._delay_s = 0.0
        self._passing.set()
        if not self._listener.is_open:
            await self.open()

    async def close(self) -> None:
        self._passing.set()
        self.refuse()
        await self._listener.begun()
        self.cut()
        await asyncio.gather(*self._listener.serving)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        async with self._tracked(client):
            with suppress(OSError):
                answers, upstream = await asyncio.open_connection("127.0.0.1", self._target)
                async with self._tracked(upstream):
                    await asyncio.gather(self._pump(reader, upstream), self._pump(answers, client))

    @asynccontextmanager
    async def _tracked(self, stream: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._streams.add(stream)
        try:
            yield
        finally:
            self._streams.discard(stream)
            stream.close()
            with suppress(OSError):
                await stream.wait_closed()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
