"""Events of all replicas, through a stream in Redis while somebody follows them (decision 0053)."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import structlog

from kato_service import json_text
from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_address import Command
from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_errors import RedisError
from kato_service.monitoring.feed import Event, EventFeed

log = structlog.get_logger()

LOOK_S = 0.5
"""Seconds between two looks at Redis."""
WANTED_MS = 3000
"""How long a process that follows is taken to follow, after it last said so."""
MAX_KEPT = 1000
"""Events in the stream, and of this process that are not in it yet; the oldest are dropped."""
KEPT_MS = 10_000
"""How long the stream outlives its last event."""
READ_AT_ONCE, SENT_AT_ONCE = 500, 100
BEFORE_S = 2 * LOOK_S
"""How old events may be that are sent once somebody follows: they happened while this process did
not know yet that somebody does."""


class RedisEvents:
    """Sends the events of this process to replicas that follow, and receives theirs."""

    def __init__(
        self,
        client: RedisClient,
        processor_id: str,
        circuit: Circuit,
        feed: EventFeed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        prefix = f"kato:{processor_id}:{{{processor_id}}}:"
        self.stream, self._wanted_key = f"{prefix}events", f"{prefix}events-wanted"
        self._client = client
        self._circuit = circuit
        self._feed = feed
        self._clock = clock
        self._origin = secrets.token_hex(8)
        """Tells the events of this process from those of others."""
        self._unsent: deque[tuple[float, Event]] = deque(maxlen=MAX_KEPT)
        """With the time at which they happened, by the clock."""
        self._position: bytes | None = None
        """The last entry of the stream that was read; None: nobody follows here."""

    def publish(self, event: Event) -> None:
        self._unsent.append((self._clock(), event))

    async def run(self) -> None:
        """Look at Redis until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._feed.joined.wait()
            self._feed.joined.clear()
            if self._circuit.is_open:
                continue
            try:
                await self.look()
            except RedisError as exc:
                log.debug("events not exchanged", reason=type(exc).__name__)

    async def look(self) -> None:
        """Send what happened here if anybody follows, then receive what happened elsewhere."""
        if self._feed.is_followed:
            # Before the others learn of it, so that nothing of what they send then is missed.
            if self._position is None:
                self._position = await self._last()
            await self._client.call("SET", self._wanted_key, "1", "PX", WANTED_MS)
            await self._send()
            await self._receive(self._position)
            return
        self._position = None
        if await self._client.call("EXISTS", self._wanted_key):
            await self._send()
        while self._unsent and self._unsent[0][0] < self._clock() - BEFORE_S:
            self._unsent.popleft()

    async def _last(self) -> bytes:
        """The last entry of the stream."""
        found = await self._client.call("XREVRANGE", self.stream, "+", "-", "COUNT", 1)
        return bytes(found[0][0]) if found else b"0-0"

    async def _send(self) -> None:
        """Send what waits. What an answer is missing for is lost: an event is a notice only."""
        waiting = [self._entry(event) for _, event in self._unsent]
        self._unsent.clear()
        for first in range(0, len(waiting), SENT_AT_ONCE):
            some = waiting[first : first + SENT_AT_ONCE]
            await self._client.calls([*some, ("PEXPIRE", self.stream, KEPT_MS)])

    def _entry(self, event: Event) -> Command:
        fields = ("origin", self._origin, "event", json_text.text(asdict(event)))
        return ("XADD", self.stream, "MAXLEN", "~", MAX_KEPT, "*", *fields)

    async def _receive(self, position: bytes) -> None:
        entries: Sequence[Any] = (None,)
        while entries:
            entries = await self._client.call(
                "XRANGE", self.stream, b"(" + position, "+", "COUNT", READ_AT_ONCE
            )
            for position, fields in entries:
                self._position = position
                self._received(fields)

    def _received(self, fields: Sequence[bytes]) -> None:
        found: dict[bytes, Any] = dict(zip(fields[::2], fields[1::2], strict=True))
        if found[b"origin"].decode() != self._origin:
            self._feed.deliver(Event(**json_text.parsed(found[b"event"])))
