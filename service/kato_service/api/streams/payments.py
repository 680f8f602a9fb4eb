"""What the lines of a stream cost, where rates are limited."""

import asyncio
from typing import Any

from starlette.types import Scope

from kato_service.api.intake.gate import Gate


class Payments:
    """Of one request, which paid for the first lines when it was let in."""

    def __init__(self, scope: Scope, *, lines_per_token: int) -> None:
        """*lines_per_token*: lines that cost as much as a request."""
        self._scope = scope
        self._each = lines_per_token
        self._lines = 0
        self._paid = lines_per_token

    async def pay(self, lines: int, failed: asyncio.Future[Any]) -> None:
        """Wait until so many more lines are paid for, or the stream *failed*."""
        gate: Gate = self._scope["app"].state.gate
        self._lines += lines
        while self._paid < self._lines and not failed.done():
            wait_s = await gate.take_another(self._scope)
            if wait_s:
                await asyncio.wait({failed}, timeout=wait_s)
            else:
                self._paid += self._each
