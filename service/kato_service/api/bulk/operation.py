"""The operation: a list of sequences in a JSON body, or a stream of lines."""

import asyncio
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kato_service.access.scopes import Scope as Needed
from kato_service.api.bulk import batches
from kato_service.api.bulk.line_reader import Line, LineReader
from kato_service.api.bulk.outcomes import Tally
from kato_service.api.bulk.stream import LearnStream
from kato_service.api.intake.calls import Call, call_of
from kato_service.api.intake.operations import Operation
from kato_service.api.intake.strict_route import begin
from kato_service.api.shapes import rendering
from kato_service.api.shapes.bulk.answers import LearnAnswer
from kato_service.api.shapes.bulk.bodies import MAX_STREAM_ID_CHARS, LearnBody, LearnQuery
from kato_service.api.streams.compute_turns import ComputeTurns
from kato_service.api.streams.payments import Payments
from kato_service.errors import InvalidInputError

PATH = "/v2/learn"
LINES_PER_TOKEN = 100
"""Lines that cost as much as a request, where rates are limited."""
Answers = Annotated[
    Literal["all", "errors"],
    Field(description="`errors`: leave out the outcomes of lines that succeeded."),
]
RequestId = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_STREAM_ID_CHARS,
        description="An id of your own for the whole request: lines without an id get one from it"
        " and their number, which makes the request safe to send again as it is.",
    ),
]


async def bulk_learn(
    call: Call, body: LearnBody, answers: Answers = "all", unique_id: RequestId = None
) -> Response:
    reader, tally = LineReader(call, unique_id, _in_list), Tally(_in_list)
    results: list[orjson.Fragment] = []
    values = body.lines()
    for first in range(0, len(values), batches.BATCH_LINES):
        some = enumerate(values[first : first + batches.BATCH_LINES], first + 1)
        lines = [await _read(reader, call, number, value) for number, value in some]
        settled = await (await batches.begun(call, lines, call.deadline))
        for line, outcomes in zip(lines, settled.outcomes, strict=True):
            errors = tally.errors
            text = tally.outcome(line, outcomes)
            if answers == "all" or tally.errors > errors:
                results.append(orjson.Fragment(text))
        if (failure := settled.failure) is not None:
            if not tally.learned:
                raise failure  # nothing changed, as far as anybody can tell
            tally.error = failure
            break
    return rendering.response({"results": results, "summary": tally.summary(complete=True)})


class LearnStreams:
    """The application for bodies that are streams of lines."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        begin(request, PATH)
        query = LearnQuery(**scope["route"].query.arguments(request.query_params))
        payments = Payments(scope, lines_per_token=LINES_PER_TOKEN)
        turns: ComputeTurns = scope["app"].state.turns
        stream = LearnStream(call_of(request), query, turns, payments.pay)
        await stream.run(scope, receive, send)


def _in_list(error: InvalidInputError, number: int) -> InvalidInputError:
    return error.inside("sequences", number - 1)


async def _read(reader: LineReader, call: Call, number: int, value: Any) -> Line:
    reader.begin_turn()
    line = reader.at_once_of(number, value, len(orjson.dumps(value)))
    await asyncio.sleep(0)
    return line or await reader.read_of(number, value, call.deadline)


OPERATION = Operation(
    ("POST",), PATH, bulk_learn, "Learn many sequences", LearnAnswer, scope=Needed.WRITE,
    streamed=LearnStreams,
)  # fmt: skip
