"""Answers that wait for their client: bounded, and sent as fast as the client reads."""

import asyncio
from collections.abc import Awaitable, Callable

Sending = Callable[[bytes], Awaitable[None]]
MAX_BYTES = 4 * 2**20
"""Bytes of answers that wait for a client that sends everything before it reads: some 40 000 lines.
Beyond them, the client's lines wait."""
PIECE_BYTES = 64 * 1024
"""Bytes that are handed to the connection at once."""


class AnswerBuffer:
    def __init__(self, send: Sending, most_bytes: int = MAX_BYTES) -> None:
        """*send* waits while the connection takes no more."""
        self._send = send
        self._most_bytes = most_bytes
        self._waiting = bytearray()
        self._added, self._taken = asyncio.Event(), asyncio.Event()
        self._ended = False

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self._most_bytes

    def put(self, answers: bytes) -> None:
        """Add *answers*, also to a full buffer: whoever adds waits for `room` before."""
        self._waiting += answers
        self._added.set()

    def end(self) -> None:
        """Nothing follows."""
        self._ended = True
        self._added.set()

    async def room(self, patience_s: float) -> bool:
        """Wait while the buffer is full; False: its client took nothing for *patience_s*."""
        while self.is_full:
            self._taken.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._taken.wait()
            except TimeoutError:
                return False
        return True

    async def run(self) -> None:
        """Send until nothing follows."""
        while self._waiting or not self._ended:
            if not self._waiting:
                self._added.clear()
                await self._added.wait()
                continue
            piece = bytes(self._waiting[:PIECE_BYTES])
            del self._waiting[: len(piece)]
            await self._send(piece)
            self._taken.set()
