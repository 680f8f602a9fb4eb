"""A proxy in front of a real server that loses replies and holds requests back."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic

import pytest

from support.listening import Listener

CLOSE_PATIENCE_S = 5.0
REFUSAL = b'{"error": {"code": "OVERLOADED", "message": "too much to do", "retryable": true}}'


@dataclass
class FaultyProxy:
    """A TCP proxy that loses replies and delays requests on demand."""

    target: int
    """Port of the server that it forwards to."""
    port: int = 0
    lost: int = 0
    """Replies lost so far."""
    cut: int = 0
    """Connections that `cut_at_random` closed before the request arrived."""
    refused_at: list[float] = field(default_factory=list)
    """When `refuse` answered, on the monotonic clock."""
    clients: int = 0
    """Connections that clients have open."""
    _chance: random.Random | None = None
    _share: float = 0.0
    _marker: bytes = b""
    _to_lose: int = 0
    _to_hold: int = 0
    _to_refuse: list[int] = field(default_factory=list)
    _cut_places: list[int] = field(default_factory=list)
    _held: list[tuple[asyncio.StreamWriter, bytes]] = field(default_factory=list)
    _listener: Listener | None = None
    _streams: set[asyncio.StreamWriter] = field(default_factory=set)

    def lose_replies(self, marker: bytes, times: int = 1) -> None:
        """Forward the next requests that contain *marker*, and drop their replies."""
        self._marker, self._to_lose = marker, times

    def refuse(self, marker: bytes, retry_after_s: Sequence[int]) -> None:
        """Answer the next requests that contain *marker* as a server that has too much to do.

        Args:
            retry_after_s: Seconds that each of these answers asks for; 0: it asks for none.
        """
        self._marker, self._to_refuse = marker, list(retry_after_s)

    def cut_after(self, count: int, times: int = 1) -> None:
        """Break a connection when so many bytes of replies have passed, so many times."""
        self._cut_places = [count] * times

    def cut_at_random(self, chance: random.Random, share: float) -> None:
        """Break the connection of this share of what clients send: half of it before it arrives,
        half of it before the reply to it."""
        self._chance, self._share = chance, share

    def disconnect(self) -> None:
        """Break all connections that there are."""
        for stream in self._streams:
            stream.close()

    def hold_request(self, marker: bytes) -> None:
        """Keep the next request that contains *marker* until `release`; cut its sender off."""
        self._marker, self._to_hold = marker, 1

    @property
    def held(self) -> int:
        """Requests that wait for `release`."""
        return len(self._held)

    async def release(self) -> None:
        """Deliver the held requests although their senders are gone."""
        for upstream, request in self._held:
            upstream.write(request)
            await upstream.drain()
        self._held.clear()

    async def open(self) -> None:
        self._listener = Listener(self._serve)
        self.port = self._listener.open()

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        await self._listener.begun()
        for stream in self._streams:
            stream.close()
        if self._listener.serving:
            await asyncio.wait(self._listener.serving, timeout=CLOSE_PATIENCE_S)
        for stream in self._streams:
            stream.close()
        await asyncio.gather(
            *(stream.wait_closed() for stream in self._streams), return_exceptions=True
        )

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._streams.add(client)
        self.clients += 1
        try:
            await self._forward(reader, client)
        except OSError:
            pass  # one side is gone, or the server is away
        finally:
            self.clients -= 1
            client.close()

    async def _forward(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection("127.0.0.1", self.target)
        self._streams.add(upstream)
        losing = asyncio.Event()
        await asyncio.gather(
            self._requests(reader, upstream, client, losing),
            self._replies(answers, client, losing),
        )

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        losing: asyncio.Event,
    ) -> None:
        while request := await reader.read(1 << 20):
            if self._to_hold and self._marker in request:
                self._to_hold -= 1
                self._held.append((upstream, request))
                client.close()
                return
            if self._to_refuse and self._marker in request:
                client.write(self._refusal(self._to_refuse.pop(0)))
                await reader.read()  # the rest of the request, until its sender has the answer
                break
            fate = 1.0 if self._chance is None else self._chance.random()
            if fate < self._share / 2:
                self.cut += 1
                break
            if fate < self._share:
                losing.set()
            if self._to_lose and self._marker in request:
                self._to_lose -= 1
                losing.set()
            upstream.write(request)
            await upstream.drain()
        upstream.close()
        client.close()

    def _refusal(self, retry_after_s: int) -> bytes:
        self.refused_at.append(monotonic())
        asked = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
        head = f"HTTP/1.1 503 Busy\r\n{asked}Connection: close\r\nContent-Length: {len(REFUSAL)}"
        return f"{head}\r\n\r\n".encode() + REFUSAL

    async def _replies(
        self, answers: asyncio.StreamReader, client: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while reply := await answers.read(1 << 20):
            if losing.is_set():
                self.lost += 1
                break
            if self._cut_places:
                place = self._cut_places[0]
                if len(reply) >= place:
                    del self._cut_places[0]
                    client.write(reply[:place])
                    break
                self._cut_places[0] -= len(reply)
            client.write(reply)
            await client.drain()
        client.close()


@pytest.fixture
async def faulty_proxy() -> AsyncIterator[Callable[[int], Awaitable[FaultyProxy]]]:
    """``await faulty_proxy(port)``: a proxy in front of the server on that port."""
    async with AsyncExitStack() as stack:

        async def opened(target: int) -> FaultyProxy:
            proxy = FaultyProxy(target)
            await proxy.open()
            stack.push_async_callback(proxy.close)
            return proxy

        yield opened
