"""Operations on the vectors of a session's knowledge base (http-api.md §2)."""

from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.knowledge.bodies import NearestBody
from kato_service.errors import (
    LimitExceededError,
    SessionNotFoundError,
    VectorDimensionError,
    VectorsDisabledError,
)


async def get_vectors(call: Call, session_id: str) -> Response:
    state = await call.load(session_id)
    facts = await call.service.processor.vectors.facts(state.processor_id, deadline=call.deadline)
    return rendering.response(
        {
            "session_id": rendering.session_id(state),
            "processor_id": state.processor_id,
            "dimension": facts.dimension,
            "count": facts.count,
        }
    )


async def nearest_vectors(call: Call, session_id: str, body: NearestBody) -> Response:
    state = await call.load(session_id)
    found = await call.service.processor.vectors.nearest(
        state.processor_id,
        tuple(body.vector),
        limit=body.limit,
        min_score=body.min_score,
        deadline=call.deadline,
    )
    vectors = [{"symbol": one.symbol, "label": one.label, "score": one.score} for one in found]
    return rendering.response(
        {
            "vectors": vectors,
            "session_id": rendering.session_id(state),
            "processor_id": state.processor_id,
            "count": len(vectors),
        }
    )


OPERATIONS = (
    Operation(
        ("GET",), "/vectors", get_vectors, "Get the dimension and the number of the vectors",
        responses.VectorFacts, (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/vectors:nearest", nearest_vectors, "Find the stored vectors nearest to one",
        responses.NearestVectors,
        (SessionNotFoundError, VectorDimensionError, VectorsDisabledError, LimitExceededError),
        scope=Scope.READ,
    ),
)  # fmt: skip
