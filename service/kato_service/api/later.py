"""Operations of ``/sessions`` that answer clients of later versions differently (http-api.md §3).

`spoken` puts them in the place of those of ``/v2/sessions``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api import processing, sessions
from kato_service.api.answers.asking import (
    Asked,
    Fields,
    Limit,
    OfObservation,
    Threshold,
    asked,
)
from kato_service.api.answers.predicting import predicted, predictions_of, spelled
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import ASKING_NO_STORE, Operation
from kato_service.api.intake.queries import AsDigits
from kato_service.api.shapes import later_rendering as rendered
from kato_service.api.shapes import later_responses as later
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.requests import (
    MAX_TTL_S,
    ConfigBody,
    ExtendBody,
    ObservationBody,
    PredictionOptions,
    RepeatableBody,
    SequenceBody,
)
from kato_service.api.shapes.selection import WITHOUT_FUTURES
from kato_service.errors import SessionNotFoundError

Endpoint = Callable[..., Awaitable[Response]]


async def session_exists(call: Call, session_id: str) -> Response:
    exists = await call.exists(session_id)
    content = {"exists": exists, "expired": False, "session_id": session_id}
    return rendering.response(content)


async def extend_session(
    call: Call,
    session_id: str,
    body: ExtendBody | None = None,
    ttl_seconds: Annotated[
        int | None,
        Field(ge=1, le=MAX_TTL_S, description="Seconds; without them, as long as the last time."),
        AsDigits,
    ] = None,
) -> Response:
    ttl_s = sessions.one_of("ttl_seconds", ttl_seconds, body.ttl_seconds if body else None)
    return rendering.response(await sessions.extended(call, session_id, ttl_s))


async def observe(call: Call, session_id: str, body: ObservationBody) -> Response:
    changed = await call.changed(session_id, processing.observe_plan(call, body))
    return rendering.response(rendered.observed(changed.before, changed.answer))


async def observe_sequence(call: Call, session_id: str, body: SequenceBody) -> Response:
    changed = await call.changed(session_id, processing.sequence_plan(call, body))
    content = await rendered.sequence(
        changed.before, changed.answer, body.item_ids(), isolated=body.clear_stm_between
    )
    return await rendering.long_response(content)


async def learn(call: Call, session_id: str, body: RepeatableBody | None = None) -> Response:
    changed = await call.changed(session_id, processing.learn_plan(call, body))
    return rendering.response(rendered.learned(changed.before, changed.answer))


async def get_predictions(
    call: Call,
    session_id: str,
    limit: Limit = None,
    recall_threshold: Threshold = None,
    fields: Fields = None,
    unique_id: OfObservation = None,
) -> Response:
    options = PredictionOptions(limit=limit, recall_threshold=recall_threshold, fields=fields)
    chosen = asked(call, options, "query")
    state = await call.load(session_id)
    processing.require_last(state, unique_id)
    result = await predicted(call, state, chosen)
    content = await predictions_of(call, state, result, chosen)
    more = {"processor_id": rendered.processor(state), "unique_id": unique_id}
    return await rendering.long_response(content | more)


async def get_config(call: Call, session_id: str) -> Response:
    state = await call.load(session_id)
    return rendering.response(rendered.config(state, call.service.processor.genes(state)))


async def set_config(call: Call, session_id: str, body: ConfigBody) -> Response:
    plan = partial(call.service.processor.configure, overrides=body.config.given())
    changed = await call.changed(session_id, plan)
    content = rendered.configured(changed.after, changed.answer)
    return rendering.response(content | rendering.ignored(body.config.ignored()))


async def get_percept_data(call: Call, session_id: str) -> Response:
    state = await call.load(session_id)
    percept = rendered.percept(state, call.service.processor.genes(state))
    return rendering.response({"percept_data": percept} | rendered.of_node(state))


async def get_cognition_data(call: Call, session_id: str) -> Response:
    state = await call.load(session_id)
    chosen = Asked(WITHOUT_FUTURES)
    result = await predicted(call, state, chosen)
    cognition = await rendered.cognition(state, spelled(call, state, result, chosen))
    return await rendering.long_response({"cognition_data": cognition} | rendered.of_node(state))


async def finalize_training(call: Call, session_id: str) -> Response:
    began = perf_counter()
    state = await call.load(session_id)
    count = await call.service.processor.patterns.count(state.processor_id, deadline=call.deadline)
    time_ms = (perf_counter() - began) * 1000
    return rendering.response(rendered.finalized(state, patterns=count, time_ms=time_ms))


async def try_route(call: Call, test_id: str) -> Response:
    return rendering.response({"test_id": test_id, "message": rendered.REACHED})


TEST = Operation(
    ("GET",), "/test/{test_id}", try_route, "Check that requests reach this part of the API",
    later.Reached, scope=Scope.READ, always=ASKING_NO_STORE,
)  # fmt: skip
FINALIZE = Operation(
    ("POST",), "/finalize-training", finalize_training,
    "Finalize a training, which needs nothing to be done", later.Finalized,
    (SessionNotFoundError,), scope=Scope.READ,
)  # fmt: skip
_OWN: Mapping[Endpoint, tuple[Endpoint, type[BaseModel]]] = {
    sessions.session_exists: (session_exists, later.LaterExists),
    sessions.extend_session: (extend_session, responses.Extended),
    processing.observe: (observe, responses.ObservationResult),
    processing.observe_sequence: (observe_sequence, later.LaterSequence),
    processing.learn: (learn, responses.LearnResult),
    processing.get_predictions: (get_predictions, later.LaterPredictions),
    processing.get_config: (get_config, later.LaterConfig),
    processing.set_config: (set_config, later.LaterConfigured),
    processing.get_percept_data: (get_percept_data, later.LaterPerceptData),
    processing.get_cognition_data: (get_cognition_data, later.LaterCognitionData),
}
"""By operation of ``/v2/sessions``: the one of ``/sessions``, and its answer."""


def spoken(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """*operations* of ``/v2/sessions`` as ``/sessions`` has them."""
    return tuple(_spoken(operation) for operation in operations)


def _spoken(operation: Operation) -> Operation:
    if operation.endpoint not in _OWN:
        return operation
    endpoint, answer = _OWN[operation.endpoint]
    return replace(operation, endpoint=endpoint, answer=answer)
