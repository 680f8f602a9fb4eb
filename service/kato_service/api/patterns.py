"""Operations on the patterns and vectors of a session's knowledge base (http-api.md §2)."""

from typing import Any

from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.filters import InQuery, page_of_patterns
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.sessions import Cursor, Limit
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.knowledge.bodies import PatternBody
from kato_service.errors import PatternNotFoundError, SessionNotFoundError, VectorNotFoundError
from kato_service.sessions.state import SessionState

_ERRORS = (SessionNotFoundError, PatternNotFoundError)


async def list_patterns(
    call: Call,
    session_id: str,
    filtered: InQuery,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    state = await call.load(session_id)
    return await page_of_patterns(call, state.processor_id, filtered, limit=limit, cursor=cursor)


async def get_pattern(call: Call, session_id: str, name: str) -> Response:
    return rendering.response(await pattern_of(call, await call.load(session_id), name))


async def pattern_of(call: Call, state: SessionState, name: str) -> dict[str, Any]:
    """The JSON of a pattern, under either spelling of its name."""
    pattern = await call.service.processor.patterns.get_pattern(
        state.processor_id, rendering.bare(name), deadline=call.deadline
    )
    return rendering.pattern(pattern)


async def update_pattern(call: Call, session_id: str, name: str, body: PatternBody) -> Response:
    state = await call.load(session_id)
    pattern = await call.service.processor.patterns.update_pattern(
        state.processor_id,
        rendering.bare(name),
        frequency=body.frequency,
        emotives=body.emotives,
        persistence=call.service.processor.genes(state).persistence,
        deadline=call.deadline,
    )
    return rendering.response(rendering.pattern(pattern))


async def delete_pattern(call: Call, session_id: str, name: str) -> Response:
    state = await call.load(session_id)
    deleted = await call.service.processor.patterns.delete_pattern(
        state.processor_id, rendering.bare(name), deadline=call.deadline
    )
    return rendering.response(rendering.deleted(rendering.bare(name), deleted))


async def get_vector(call: Call, session_id: str, symbol: str) -> Response:
    state = await call.load(session_id)
    vector = await call.service.processor.get_vector(
        state.processor_id, symbol, deadline=call.deadline
    )
    return rendering.response({"symbol": symbol, "vector": vector})


OPERATIONS = (
    Operation(
        ("GET",), "/patterns", list_patterns, "List patterns in the order of their first learn",
        responses.Patterns, (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/patterns/{name}", get_pattern, "Get a pattern", responses.Pattern, _ERRORS,
        scope=Scope.READ,
    ),
    Operation(
        ("PUT",), "/patterns/{name}", update_pattern, "Edit a pattern's frequency or emotives",
        responses.Pattern, _ERRORS, scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("DELETE",), "/patterns/{name}", delete_pattern, "Delete a pattern",
        responses.PatternDeleted, _ERRORS, scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("GET",), "/vectors/{symbol}", get_vector, "Get the vector of a symbol",
        responses.Vector, (SessionNotFoundError, VectorNotFoundError), scope=Scope.READ,
    ),
)  # fmt: skip
