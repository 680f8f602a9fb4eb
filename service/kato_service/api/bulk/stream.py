"""A bulk learn as a stream: lines in, their outcomes out as soon as each is durable.

Three things happen at once: lines are read and planned, batches of them are learned, and outcomes
are sent in the order of the lines. Each waits for the one after it when too much is under way, so a
client that does not read slows down its own lines and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from enum import Enum
from time import perf_counter

from starlette.types import Receive, Scope, Send

from kato_service import json_text
from kato_service.api.bulk import batches
from kato_service.api.bulk.answer_buffer import AnswerBuffer
from kato_service.api.bulk.line_reader import Line, LineReader
from kato_service.api.bulk.outcomes import Tally
from kato_service.api.intake.bodies import LINES_TYPE
from kato_service.api.intake.calls import Call
from kato_service.api.shapes.bulk.bodies import LearnQuery
from kato_service.api.streams.compute_turns import ComputeTurns
from kato_service.api.streams.line_intake import LineIntake
from kato_service.api.streams.line_splitter import LineSplitter, RawLine
from kato_service.domain.deadline import Deadline
from kato_service.errors import BodyTooLargeError, InvalidInputError, KatoError, OverloadedError

MAX_LINE_BYTES = 2**20
"""Bytes of a line; fewer if a whole body may have fewer."""
WAITING_BATCHES = 2
"""Batches that wait for the one whose outcomes are sent next, all of them being learned."""
UNREAD_S = 10.0
"""Seconds that a full buffer of answers waits for its client to read any; at most as long as a
request may take."""
Pay = Callable[[int, asyncio.Future[KatoError]], Awaitable[None]]


class _Pause(Enum):
    TURN = "it is the turn of others, or the batch is full"
    END = "there are no more lines"


class LearnStream:
    """One request; its answer has status 200 from the first byte on, so failures are in it."""

    def __init__(self, call: Call, query: LearnQuery, turns: ComputeTurns, pay: Pay) -> None:
        """*pay* waits until so many more lines may be learned, or the stream failed."""
        settings = call.service.settings
        self._call = call
        self._turns = turns
        self._pay = pay
        self._reader = LineReader(call, query.unique_id, _in_line)
        self._shows_all = query.answers == "all"
        self._patience_s = settings.request_timeout_s
        self._unread_s = min(UNREAD_S, settings.request_timeout_s)
        self._max_line_bytes = min(MAX_LINE_BYTES, settings.max_body_bytes)
        self._tally = Tally(_in_line)
        self._batch = _Batch()
        self._learning: asyncio.Queue[asyncio.Future[batches.Settled] | None] = asyncio.Queue(
            WAITING_BATCHES
        )
        self._failed: asyncio.Future[KatoError] = asyncio.get_running_loop().create_future()
        """Done when the stream ends before its last line."""

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            KatoError: Nothing was learned yet, and the answer has not begun.
        """
        intake = LineIntake(scope, receive, self._patience_s)
        if not await intake.begin():
            return
        # From here on a shutdown lets the stream end by itself.
        headers = [(b"content-type", LINES_TYPE.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def sent(answers: bytes) -> None:
            await send({"type": "http.response.body", "body": answers, "more_body": True})

        answers = AnswerBuffer(sent)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(answers.run())
            answering = tasks.create_task(self._answer(answers))
            watching = tasks.create_task(self._watch())
            await self._take(intake)
            await self._learning.put(None)
            await answering
            watching.cancel()
            self._conclude(answers, intake)
            await intake.discard(sending)
            await sending
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take(self, intake: LineIntake) -> None:
        """Read and plan lines, and begin to learn them, until the last one or a failure."""
        splitter = LineSplitter(self._max_line_bytes)
        try:
            async with aclosing(intake.pieces(self._failed)) as pieces:
                async for piece in pieces:
                    if not piece:
                        await self._learn()
                    elif not await self._plan(splitter.feed(piece), intake):
                        return
            if not self._failed.done() and await self._plan(splitter.end(), intake):
                await self._learn()
        except KatoError as error:
            await self._learn()
            self._fail(error)

    async def _plan(self, raws: Iterator[RawLine], intake: LineIntake) -> bool:
        """Plan lines; False: the stream failed."""
        while not self._failed.done():
            met = await self._turns.compute(lambda until: self._plan_some(raws, until))
            if isinstance(met, RawLine):
                self._batch.add(await self._read(met), len(met.text or b""))
            if self._batch.is_begun:
                intake.progressed()
            if self._batch.is_full:
                await self._learn()
            if met is _Pause.END:
                return True
        return False

    def _plan_some(self, raws: Iterator[RawLine], until: float) -> "RawLine | _Pause":
        """Plan lines of symbols alone; the first other one, or why there is none."""
        self._reader.begin_turn()
        for raw in raws:
            line = None if raw.text is None else self._reader.at_once(raw.number, raw.text)
            if line is None:
                return raw
            self._batch.add(line, len(raw.text or b""))
            if self._batch.is_full or perf_counter() > until:
                return _Pause.TURN
        return _Pause.END

    async def _read(self, raw: RawLine) -> Line:
        if raw.text is None:
            too_long = f"the line exceeds {self._max_line_bytes} bytes; split its sequence"
            return Line(raw.number, error=BodyTooLargeError(too_long))
        return await self._reader.read(raw.number, raw.text, self._deadline())

    async def _learn(self) -> None:
        """Begin to learn the lines that were planned."""
        lines = self._batch.taken()
        if not lines:
            return
        await self._pay(len(lines), self._failed)
        begun = await batches.begun(self._call, lines, self._deadline())
        await self._learning.put(asyncio.ensure_future(begun))

    async def _answer(self, answers: AnswerBuffer) -> None:
        """Hand on outcomes in the order of the lines."""
        while (learning := await self._learning.get()) is not None:
            settled = await learning
            if settled.failure is not None:
                self._fail(settled.failure)
            if not self._failed.done() and not await answers.room(self._unread_s):
                self._fail(_unread())
            answers.put(await self._turns.compute(lambda _until: self._written(settled)))  # noqa: B023  # awaited inside the loop

    def _written(self, settled: batches.Settled) -> bytes:
        found = zip(settled.lines, settled.outcomes, strict=True)
        written = (
            (self._tally.outcome(line, outcomes), self._tally.errors) for line, outcomes in found
        )
        if self._shows_all:
            return b"".join(text + b"\n" for text, _ in written)
        shown, errors = [], self._tally.errors
        for text, after in written:
            if after > errors:
                shown.append(text + b"\n")
                errors = after
        return b"".join(shown)

    async def _watch(self) -> None:
        """Fail when the service stops."""
        await self._call.service.stopped.wait()
        stopping = "the service is stopping; send the lines after durable_through again"
        self._fail(OverloadedError("streams", stopping))

    def _conclude(self, answers: AnswerBuffer, intake: LineIntake) -> None:
        if self._failed.done():
            self._tally.error = self._failed.result()
        summary = self._tally.summary(complete=not intake.is_gone)
        answers.put(json_text.text({"summary": summary}) + b"\n")
        answers.end()

    def _fail(self, error: KatoError) -> None:
        if not self._failed.done():
            self._failed.set_result(error)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._patience_s)


class _Batch:
    """Lines that were planned and are not learned yet."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._bytes = 0

    @property
    def is_begun(self) -> bool:
        return bool(self._lines)

    @property
    def is_full(self) -> bool:
        return len(self._lines) >= batches.BATCH_LINES or self._bytes >= batches.BATCH_BYTES

    def add(self, line: Line, size_bytes: int) -> None:
        self._lines.append(line)
        self._bytes += size_bytes

    def taken(self) -> list[Line]:
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines


def _in_line(error: InvalidInputError, _number: int) -> InvalidInputError:
    return error.in_line()


def _unread() -> OverloadedError:
    return OverloadedError(
        "answers",
        "too many answers wait for this client; read while you send, ask for ?answers=errors, or"
        " send fewer lines at once",
    )
