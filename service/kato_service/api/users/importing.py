"""Putting exported knowledge into the knowledge base of a user (docs/moving-knowledge.md).

A request is received whole before anything changes, so it is refused as any other if it is wrong.
Its answer is a stream: how far the import is, and a summary at the end.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.admission import Admission, Body
from kato_service.api.intake.bodies import LINES_TYPE
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.intake.guards import CUT_SHORT
from kato_service.api.intake.operations import Operation
from kato_service.api.intake.queries import AsFlag
from kato_service.api.intake.strict_route import begin
from kato_service.api.shapes.knowledge.bodies import PatternLine
from kato_service.api.streams.compute_turns import ComputeTurns
from kato_service.api.streams.line_intake import LineIntake
from kato_service.api.streams.line_splitter import LineSplitter, RawLine
from kato_service.api.streams.payments import Payments
from kato_service.api.users.addresses import nobody_of, user_of
from kato_service.api.users.import_limits import ImportLimits
from kato_service.api.users.responses import ImportedKnowledge
from kato_service.errors import (
    BodyTooLargeError,
    InvalidInputError,
    KatoError,
    LimitExceededError,
    OverloadedError,
    TransferError,
    UnsupportedMediaTypeError,
    VectorLimitExceededError,
    VectorsDisabledError,
)
from kato_service.findings import Finding
from kato_service.portable.receiving import ReceivedKnowledge
from kato_service.users.import_space import Space
from kato_service.users.imports import KnowledgeImport, Mode, Progress, Wanted

LINES_PER_TOKEN = 100
"""Lines that cost as much as a request, where rates are limited; as many as of a bulk learn."""
MAX_UNIQUE_ID_CHARS = 256
PROGRESS_S = 1.0
"""Seconds between two lines about the progress."""
PATH = "/knowledge:import"
_NAMELESS = (
    "is required with mode=replace: send a new id for each replacement, and the same one again to"
    " repeat it, so that the repeat drops nothing"
)
InMode = Annotated[
    Mode,
    Field(
        description="`merge` adds to what is there; `replace` drops everything that is there first,"
        " and needs a `unique_id`."
    ),
]
RequestId = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_UNIQUE_ID_CHARS,
        description="An id of your own for the import: the same content with the same id and mode"
        " counts once. A whole export that is merged counts once without an id, too.",
    ),
]
WithVectors = Annotated[
    bool,
    AsFlag,
    Field(description="Whether vectors are imported; `false` leaves them out."),
]


async def import_knowledge(
    call: Call,
    user_id: str,
    mode: InMode = "merge",
    unique_id: RequestId = None,
    vectors: WithVectors = True,
) -> Response:
    user_of(call, user_id)
    raise _not_lines()


async def import_anonymous_knowledge(
    call: Call,
    mode: InMode = "merge",
    unique_id: RequestId = None,
    vectors: WithVectors = True,
) -> Response:
    nobody_of(call)
    raise _not_lines()


@dataclass(frozen=True, slots=True)
class ImportQuery:
    """The query of an import, as its operation declares it."""

    mode: Mode = "merge"
    unique_id: str | None = None
    vectors: bool = True


class ImportStreams:
    """The application for bodies that are streams of lines."""

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        begin(request, scope["route"].path)
        query = ImportQuery(**scope["route"].query.arguments(request.query_params))
        if query.mode == "replace" and query.unique_id is None:
            raise InvalidInputError((Finding(("query", "unique_id"), _NAMELESS),))
        call, user_id = call_of(request), request.path_params.get("user_id")
        if user_id is None:
            nobody_of(call)
        else:
            user_of(call, user_id)
        limits = ImportLimits(call.service.settings)
        directory = call.service.settings.data_dir
        received = ReceivedKnowledge(directory, limits.refusal, with_vectors=query.vectors)
        with closing(received):
            stream = _ImportStream(call, user_id, query, received)
            await stream.run(scope, receive, send)


class _ImportStream:
    def __init__(
        self, call: Call, user_id: str | None, query: ImportQuery, received: ReceivedKnowledge
    ) -> None:
        self._call = call
        self._place = (call.service.users.directory.base_of(user_id), user_id)
        self._wanted = Wanted(query.mode, query.unique_id)
        self._received = received
        self._timeout_s = call.service.settings.request_timeout_s
        self._failed: asyncio.Future[KatoError] = asyncio.get_running_loop().create_future()
        """Done when the import ends before all of it is in."""

    async def run(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            KatoError: Nothing was imported, and the answer has not begun.
        """
        admission: Admission = scope["state"]["admission"]
        imports, holder = self._call.service.users.imports, self._call.holder
        with imports.space.held(holder) as kept:
            with admission.body(holder) as counted:
                intake = LineIntake(scope, receive, self._timeout_s)
                if not await intake.begin() or not await self._received_all(
                    scope, intake, _Counted(counted, kept)
                ):
                    return
            begun = await self._begun()
            headers = [(b"content-type", LINES_TYPE.encode()), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            watching = asyncio.create_task(self._watch(receive))
            try:
                scope["state"][CUT_SHORT] = not await self._put_in(begun, send)
            finally:
                watching.cancel()

    async def _received_all(
        self, scope: Connection, intake: LineIntake, counted: "_Counted"
    ) -> bool:
        """Take the lines in; False: the client went away."""
        splitter = LineSplitter(self._call.service.settings.max_body_bytes)
        payments = Payments(scope, lines_per_token=LINES_PER_TOKEN)
        turns: ComputeTurns = scope["app"].state.turns
        async with aclosing(intake.pieces(self._failed)) as pieces:
            async for piece in pieces:
                before = splitter.number
                await self._take(splitter.feed(piece), turns)
                counted.now(splitter.begun_bytes, self._received.kept_bytes)
                if splitter.number > before:
                    intake.progressed()
                    await payments.pay(splitter.number - before, self._failed)
        await self._take(splitter.end(), turns)
        return not intake.is_gone

    async def _take(self, raws: Iterator[RawLine], turns: ComputeTurns) -> None:
        while await turns.compute(partial(self._taken, raws)):
            pass
        await self._received.flush()

    def _taken(self, raws: Iterator[RawLine], until: float) -> bool:
        """Take some lines; False: these were all."""
        for raw in raws:
            if raw.text is None:
                limit = self._call.service.settings.max_body_bytes
                raise BodyTooLargeError(
                    f"line {raw.number} exceeds {limit} bytes (MAX_BODY_BYTES); use kato-service"
                    " import"
                )
            try:
                self._received.take(raw.number, raw.text + b"\n")
            except TransferError as exc:
                raise _refused(exc) from exc
            if perf_counter() > until:
                return True
        return False

    async def _begun(self) -> KnowledgeImport:
        """The import, of which nothing is in yet; raises what `KnowledgeImports.begin` raises."""
        received = self._received
        try:
            return await self._call.service.users.imports.begin(
                self._place,
                received,
                self._wanted,
                caller=self._call.holder,
                timeout_s=self._timeout_s,
            )
        except TransferError as exc:
            raise _refused(exc) from exc

    async def _put_in(self, begun: KnowledgeImport, send: Send) -> bool:
        """Put it in and tell how far it is; a failure is in the last line. Gives whether all of it
        is in."""
        told_at = monotonic()
        error = None
        try:
            async with aclosing(begun.put_in()) as steps:
                async for progress in steps:
                    if self._failed.done():
                        raise self._failed.result()
                    if monotonic() - told_at >= PROGRESS_S:
                        told_at = monotonic()
                        await send(_line({"progress": _counts(progress)}))
        except KatoError as failure:
            error = failure
        summary = {**_counts(begun.progress), "complete": error is None, "error": _told(error)}
        await send({**_line({"summary": summary}), "more_body": False})
        return error is None

    async def _watch(self, receive: Receive) -> None:
        """Fail when the service stops, or the client goes away."""
        gone = asyncio.create_task(_gone(receive))
        stopping = asyncio.create_task(self._call.service.stopped.wait())
        try:
            await asyncio.wait((gone, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            stopping.cancel()
        ending = "the import was ended in the middle; send it again, and it continues"
        self._failed.set_result(OverloadedError("streams", ending))


class _Counted:
    """What an import takes of what all requests share."""

    def __init__(self, line: Body, kept: Space) -> None:
        self._line, self._kept = line, kept

    def now(self, line_bytes: int, kept_bytes: int) -> None:
        """Raises OverloadedError: There is no more.

        Args:
            line_bytes: Of the line that has not ended yet.
            kept_bytes: Of all lines before it, compressed.
        """
        self._line.received(max(0, line_bytes - self._line.size))
        self._kept.grow_to(kept_bytes)


OF_USERS = (
    Operation(
        ("POST",), PATH, import_knowledge, "Import knowledge for a user",
        ImportedKnowledge, (VectorsDisabledError, VectorLimitExceededError, LimitExceededError),
        scope=Scope.WRITE, audited=True, lines=True, streamed=ImportStreams,
        takes=PatternLine,
    ),
)  # fmt: skip
OF_NOBODY = (
    Operation(
        ("POST",), PATH, import_anonymous_knowledge,
        "Import knowledge for no user", ImportedKnowledge,
        (VectorsDisabledError, VectorLimitExceededError, LimitExceededError),
        scope=Scope.WRITE, audited=True, lines=True, streamed=ImportStreams,
        takes=PatternLine,
    ),
)  # fmt: skip


async def _gone(receive: Receive) -> None:
    """Return when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _not_lines() -> UnsupportedMediaTypeError:
    return UnsupportedMediaTypeError(
        f"an import is a stream of lines; send Content-Type: {LINES_TYPE}"
    )


def _refused(error: TransferError) -> InvalidInputError:
    """*error*, whose message begins with what is wrong, as one about the body."""
    of_a_line = f"{ReceivedKnowledge.name}: "
    if error.message.startswith(of_a_line):
        reason = f"cannot be imported: {error.message.removeprefix(of_a_line)}"
    else:
        reason = error.message.removeprefix(f"{ReceivedKnowledge.name} ")
    return InvalidInputError((Finding(("body",), reason),))


def _counts(progress: Progress) -> dict[str, Any]:
    return {
        "parts": progress.parts,
        "imported": progress.imported,
        "repeated": progress.repeated,
        "vectors": progress.vectors,
        "replaced": progress.cleared,
    }


def _told(error: KatoError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "retryable": error.retryable}


def _line(content: dict[str, Any]) -> Message:
    text = json_text.text(content) + b"\n"
    return {"type": "http.response.body", "body": text, "more_body": True}
