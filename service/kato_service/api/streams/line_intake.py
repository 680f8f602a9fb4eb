"""Takes in the body of a stream, piece by piece, as fast as its lines are learned."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from time import monotonic
from typing import Any

from starlette.types import Message, Receive, Scope

from kato_service.api.intake import bodies
from kato_service.errors import BodyTimeoutError

PIECE_BYTES = 16 * 1024
"""Bytes that are cut into lines at once; if all of them are blank, in two milliseconds."""
DISCARDED_BYTES = 64 * 2**20
"""Bytes that are read and dropped after a stream failed, so that its client reads why."""


class LineIntake:
    def __init__(self, scope: Scope, receive: Receive, patience_s: float) -> None:
        """*patience_s*: seconds that the next line may take to arrive."""
        self.is_over = False
        """Whether nothing more will arrive."""
        self.is_gone = False
        """Whether the client went away."""
        self._receive = receive
        self._unpacked = bodies.gzip_of(scope)
        self._patience_s = patience_s
        self._waited_s = 0.0
        """Since the last line. The time in which nobody asked for one does not count."""
        self._message: Message | None = None

    async def begin(self) -> bool:
        """Wait for the first piece; False: the client went away.

        Raises:
            BodyTimeoutError: It did not arrive in time.
        """
        self._message = await self._arrived(asyncio.ensure_future(self._receive()), None)
        return not self.is_gone

    def progressed(self) -> None:
        """A line arrived."""
        self._waited_s = 0.0

    async def pieces(self, failed: asyncio.Future[Any]) -> AsyncGenerator[bytes, None]:
        """The body, decompressed; b"" whenever the next piece has not arrived yet.

        Ends early when *failed* is done, or the client goes away.

        Raises:
            BodyTimeoutError: The next line did not arrive in time.
            InvalidInputError: The body is not valid gzip.
        """
        while (message := self._message) is not None and not self.is_gone:
            for part in self._parts(message.get("body", b"")):
                for start in range(0, len(part), PIECE_BYTES):
                    yield part[start : start + PIECE_BYTES]
            if not message.get("more_body", False):
                self.is_over = True
                if self._unpacked is not None:
                    self._unpacked.require_end()
                return
            receiving = asyncio.ensure_future(self._receive())
            try:
                await asyncio.sleep(0)
                if not receiving.done():
                    yield b""
                self._message = await self._arrived(receiving, failed)
            finally:
                receiving.cancel()

    async def discard(self, until: asyncio.Future[Any]) -> None:
        """Read and drop what still arrives, until *until* is done."""
        dropped = 0
        while not (self.is_over or until.done()) and dropped < DISCARDED_BYTES:
            receiving = asyncio.ensure_future(self._receive())
            await asyncio.wait({receiving, until}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                receiving.cancel()
                return
            message = receiving.result()
            dropped += len(message.get("body", b""))
            self.is_over = not message.get("more_body", False)

    async def _arrived(
        self, receiving: asyncio.Future[Message], failed: asyncio.Future[Any] | None
    ) -> Message | None:
        """The next message; None: there is none, or *failed* is done."""
        waited = {receiving} if failed is None else {receiving, failed}
        began = monotonic()
        left_s = max(0.0, self._patience_s - self._waited_s)
        await asyncio.wait(waited, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        self._waited_s += monotonic() - began
        if not receiving.done():
            receiving.cancel()
            if failed is not None and failed.done():
                return None
            raise BodyTimeoutError(
                f"the next line did not arrive within {self._patience_s:g} s (REQUEST_TIMEOUT)"
            )
        message = receiving.result()
        if message["type"] == "http.disconnect":
            self.is_over = self.is_gone = True
        return message

    def _parts(self, piece: bytes) -> Iterator[bytes]:
        return iter((piece,)) if self._unpacked is None else self._unpacked.parts(piece)
