"""The knowledge of a user as a stream of lines (docs/moving-knowledge.md)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from time import perf_counter
from typing import Annotated

from pydantic import Field
from starlette.responses import Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.bodies import LINES_TYPE
from kato_service.api.intake.calls import Call
from kato_service.api.intake.guards import CUT_SHORT
from kato_service.api.intake.operations import Operation
from kato_service.api.intake.queries import AsFlag
from kato_service.api.streams.compute_turns import ComputeTurns
from kato_service.api.streams.payments import Payments
from kato_service.api.users.addresses import nobody_of, user_of
from kato_service.api.users.responses import ExportedPattern
from kato_service.errors import KatoError, OverloadedError

PIECE_BYTES = 64 * 1024
"""Bytes that are handed to the connection at once; it waits while its client takes no more."""
LINES_PER_TOKEN = 1000
"""Lines that cost as much as a request, where rates are limited: as many as a page has patterns."""
WithVectors = Annotated[
    bool,
    AsFlag,
    Field(description="Whether vectors are part of it."),
]


async def export_knowledge(call: Call, user_id: str, vectors: WithVectors = True) -> Response:
    return ExportAnswer(call, user_of(call, user_id), with_vectors=vectors)


async def export_anonymous_knowledge(call: Call, vectors: WithVectors = True) -> Response:
    nobody_of(call)
    return ExportAnswer(call, None, with_vectors=vectors)


class ExportAnswer(Response):
    """An export; its status is 200 from the first byte on, so its last line tells a failure."""

    def __init__(self, call: Call, user_id: str | None, *, with_vectors: bool) -> None:
        super().__init__(media_type=LINES_TYPE)
        self._call = call
        self._kb = call.service.users.directory.base_of(user_id)
        self._with_vectors = with_vectors
        self._failed: asyncio.Future[KatoError] = asyncio.get_running_loop().create_future()
        """Done when the export ends before its last line."""

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send the export.

        Raises:
            KatoError: The answer has not begun.
        """
        exports, call = self._call.service.users.exports, self._call
        with scope["state"]["admission"].stream(call.holder):
            async with exports.open(
                self._kb, with_vectors=self._with_vectors, deadline=call.deadline
            ) as export:
                sending = asyncio.create_task(self._send(export.sections, scope, send))
                stopping = asyncio.create_task(self._watch())
                gone = asyncio.create_task(_gone(receive))
                tasks = (sending, stopping, gone)
                try:
                    await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
                    if sending.done():
                        await sending
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(
        self, sections: AsyncIterator[Iterable[bytes]], scope: Connection, send: Send
    ) -> None:
        headers = [(b"content-type", LINES_TYPE.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        pay = Payments(scope, lines_per_token=LINES_PER_TOKEN).pay
        turns: ComputeTurns = scope["app"].state.turns
        piece = _Piece()
        try:
            async for section in sections:
                lines, is_over = iter(section), False
                while not is_over and not self._failed.done():
                    is_over = await turns.compute(partial(piece.fill, lines))
                    if piece.is_full:
                        await pay(piece.lines, self._failed)
                        await send(piece.taken())
        except KatoError as error:
            self._fail(error)
        await send(piece.taken())
        last = _told(self._failed.result()) if self._failed.done() else b""
        scope["state"][CUT_SHORT] = self._failed.done()
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _watch(self) -> None:
        """Fail when the service stops."""
        await self._call.service.stopped.wait()
        self._fail(OverloadedError("streams", "the service is stopping; export again"))

    def _fail(self, error: KatoError) -> None:
        if not self._failed.done():
            self._failed.set_result(error)


class _Piece:
    """Lines that are sent together."""

    def __init__(self) -> None:
        self._text = bytearray()
        self.lines = 0

    @property
    def is_full(self) -> bool:
        return len(self._text) >= PIECE_BYTES

    def fill(self, lines: Iterator[bytes], until: float) -> bool:
        """Take *lines* until it is full or it is *until*; gives whether there are no more."""
        for line in lines:
            self._text += line
            self.lines += 1
            if self.is_full or perf_counter() > until:
                return False
        return True

    def taken(self) -> Message:
        """The lines as a part of the answer."""
        text, self._text, self.lines = bytes(self._text), bytearray(), 0
        return {"type": "http.response.body", "body": text, "more_body": True}


OF_USERS = (
    Operation(
        ("GET",), "/knowledge:export", export_knowledge, "Export the knowledge of a user",
        ExportedPattern, scope=Scope.READ, audited=True, lines=True,
    ),
)  # fmt: skip
OF_NOBODY = (
    Operation(
        ("GET",), "/knowledge:export", export_anonymous_knowledge,
        "Export the knowledge of no user", ExportedPattern, scope=Scope.READ, audited=True,
        lines=True,
    ),
)  # fmt: skip


async def _gone(receive: Receive) -> None:
    """Return when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _told(error: KatoError) -> bytes:
    """The last line of an export that failed: no program takes it for a whole one."""
    told = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return json_text.text({"error": told}) + b"\n"
