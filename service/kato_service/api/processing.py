"""Operations of the processor: observe, learn, predict, clear, configure (http-api.md §2)."""

from functools import partial
from typing import Any

from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.answers.asking import (
    Explain,
    FieldsOfView,
    Labels,
    Limit,
    Offset,
    OfView,
    Threshold,
    asked,
)
from kato_service.api.answers.predicting import predicted, predictions_of, spelled
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import prediction_responses, rendering, responses
from kato_service.api.shapes.requests import (
    ConfigBody,
    ObservationBody,
    PredictionsBody,
    RepeatableBody,
    SequenceBody,
)
from kato_service.errors import (
    EmptyStmError,
    InvalidInputError,
    LimitExceededError,
    MatchingBudgetError,
    SessionNotFoundError,
    UniqueIdReusedError,
    VectorDimensionError,
    VectorLimitExceededError,
    VectorsDisabledError,
)
from kato_service.findings import Finding
from kato_service.processing.idempotency import is_last_observation
from kato_service.processing.results import (
    LearnResult,
    ObservationResult,
    SequenceResult,
)
from kato_service.processing.sequence import SequenceOptions
from kato_service.sessions.changes import Plan
from kato_service.sessions.state import SessionState

_OBSERVING = (
    SessionNotFoundError,
    VectorDimensionError,
    VectorsDisabledError,
    LimitExceededError,
    UniqueIdReusedError,
    VectorLimitExceededError,
)


async def observe(call: Call, session_id: str, body: ObservationBody) -> Response:
    return rendering.response(await observed(call, session_id, body))


async def observed(call: Call, session_id: str, body: ObservationBody) -> dict[str, Any]:
    """The answer to an observation, once it is applied."""
    result = await call.change(session_id, observe_plan(call, body))
    return rendering.observed(result, call.dialect.ok)


def observe_plan(call: Call, body: ObservationBody) -> Plan[ObservationResult]:
    """The plan of an observation, for `Call.change`."""
    return partial(
        call.service.processor.observe,
        observation=body.observation(),
        unique_id=body.unique_id,
        caller=call.holder,
        deadline=call.deadline,
    )


async def observe_sequence(call: Call, session_id: str, body: SequenceBody) -> Response:
    result = await call.change(session_id, sequence_plan(call, body))
    content = await rendering.sequence(result, body.item_ids(), call.dialect.ok)
    return rendering.response(content)


def sequence_plan(
    call: Call, body: SequenceBody, *, from_empty: bool = False
) -> Plan[SequenceResult]:
    """The plan of a sequence, for `Call.change`; *from_empty* as in `SequenceOptions`."""
    return partial(
        call.service.processor.observe_sequence,
        observations=[item.observation() for item in body.observations],
        options=SequenceOptions(
            learn_after_each=body.learn_after_each,
            learn_at_end=body.learn_at_end,
            clear_stm_between=body.clear_stm_between,
            from_empty=from_empty,
        ),
        unique_id=body.unique_id,
        caller=call.holder,
        deadline=call.deadline,
    )


async def learn(call: Call, session_id: str, body: RepeatableBody | None = None) -> Response:
    return rendering.response(rendering.learned(await learned(call, session_id, body)))


async def learned(call: Call, session_id: str, body: RepeatableBody | None) -> LearnResult:
    """The result of a learn, once it is applied."""
    return await call.change(session_id, learn_plan(call, body))


def learn_plan(call: Call, body: RepeatableBody | None) -> Plan[LearnResult]:
    """The plan of a learn, for `Call.change`."""
    return partial(call.service.processor.learn, unique_id=unique_id_of(body))


async def get_stm(call: Call, session_id: str) -> Response:
    return rendering.response(stm_of(await call.load(session_id)))


async def get_predictions(  # noqa: PLR0913  # the query is read by these names
    call: Call,
    session_id: str,
    limit: Limit = None,
    recall_threshold: Threshold = None,
    fields: FieldsOfView = None,
    view: OfView = "predictions",
    offset: Offset = 0,
    explain: Explain = False,
    labels: Labels = False,
) -> Response:
    options = PredictionsBody(
        limit=limit,
        recall_threshold=recall_threshold,
        fields=fields,
        view=view,
        offset=offset,
        explain=explain,
        labels=labels,
    )
    chosen = asked(call, options, "query")
    state = await call.load(session_id)
    result = await predicted(call, state, chosen)
    return await rendering.long_response(await predictions_of(call, state, result, chosen))


def require_last(state: SessionState, unique_id: str | None, part: str = "query") -> None:
    """Refuse a *unique_id* in a *part* of a request that is not the one of the last observation.

    Earlier versions kept the predictions of every observation. Here, predictions are those of the
    short-term memory as it is, which are the same as long as nothing came after the observation.
    """
    if unique_id is None or is_last_observation(state, unique_id):
        return
    reason = (
        "must be that of the last observation: predictions are those of the short-term memory as it"
        " is now; leave it out"
    )
    raise InvalidInputError((Finding((part, "unique_id"), reason),))


async def clear_stm(call: Call, session_id: str, body: RepeatableBody | None = None) -> Response:
    return rendering.response(await stm_cleared(call, session_id, body))


async def stm_cleared(call: Call, session_id: str, body: RepeatableBody | None) -> dict[str, Any]:
    """The answer to a clear of the STM, once it is applied."""
    plan = partial(call.service.processor.clear_stm, unique_id=unique_id_of(body))
    return rendering.cleared(await call.change(session_id, plan), everything=False)


async def clear_all(call: Call, session_id: str, body: RepeatableBody | None = None) -> Response:
    processor = call.service.processor
    plan = partial(processor.clear_all, unique_id=unique_id_of(body))
    result = await call.change(session_id, plan)
    await processor.drop_cleared_vectors(result.processor_id, deadline=call.deadline)
    return rendering.response(rendering.cleared(result, everything=True))


async def get_config(call: Call, session_id: str) -> Response:
    state = await call.load(session_id)
    genes = call.service.processor.genes(state)
    return rendering.response(rendering.config(genes, state.chosen, call.dialect))


async def set_config(call: Call, session_id: str, body: ConfigBody) -> Response:
    plan = partial(call.service.processor.configure, overrides=body.config.given())
    changed = await call.changed(session_id, plan)
    content = rendering.config(changed.answer, changed.after.chosen, call.dialect)
    return rendering.response(content | rendering.ignored(body.config.ignored()))


async def get_percept_data(call: Call, session_id: str) -> Response:
    percept = rendering.percept(await call.load(session_id))
    return rendering.response({"percept_data": percept, "session_id": session_id})


async def get_cognition_data(call: Call, session_id: str) -> Response:
    cognition = await cognition_of(call, await call.load(session_id))
    content = {"cognition_data": cognition, "session_id": session_id}
    return await rendering.long_response(content)


async def cognition_of(call: Call, state: SessionState) -> dict[str, Any]:
    """The JSON of a session's predictions, emotives, symbols and STM."""
    result = await predicted(call, state)
    return await rendering.cognition(state, spelled(call, state, result))


def stm_of(state: SessionState) -> dict[str, Any]:
    return {"stm": state.stm, "session_id": rendering.session_id(state), "length": len(state.stm)}


OPERATIONS = (
    Operation(
        ("POST",), "/observe", observe, "Observe one event", responses.ObservationResult,
        _OBSERVING, scope=Scope.WRITE,
    ),
    Operation(
        ("POST",), "/observe-sequence", observe_sequence, "Observe up to 1000 events in order",
        responses.SequenceResult, _OBSERVING, scope=Scope.WRITE,
    ),
    Operation(
        ("POST",), "/learn", learn, "Learn the short-term memory as a pattern",
        responses.LearnResult, (EmptyStmError, SessionNotFoundError, UniqueIdReusedError),
        scope=Scope.WRITE,
    ),
    Operation(
        ("GET",), "/stm", get_stm, "Get the short-term memory", responses.Stm,
        (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/predictions", get_predictions, "Predict from the short-term memory",
        prediction_responses.PredictionsResult, (SessionNotFoundError, MatchingBudgetError),
        scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/clear-stm", clear_stm, "Empty the short-term memory", responses.Cleared,
        (SessionNotFoundError, UniqueIdReusedError), scope=Scope.WRITE,
    ),
    Operation(
        ("POST",), "/clear-all", clear_all,
        "Empty the session and drop everything its knowledge base learned", responses.ClearedAll,
        (SessionNotFoundError, UniqueIdReusedError), scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("GET",), "/config", get_config, "Get all genes in effect", responses.Config,
        (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/config", set_config,
        "Change genes of this session; null resets one to its default", responses.ConfigChanged,
        (SessionNotFoundError,), scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("GET",), "/percept-data", get_percept_data, "Get the last observation of this session",
        responses.PerceptData, (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/cognition-data", get_cognition_data,
        "Get predictions, emotives, symbols and short-term memory",
        prediction_responses.CognitionData,
        (SessionNotFoundError, MatchingBudgetError), scope=Scope.READ,
    ),
)  # fmt: skip


def unique_id_of(body: RepeatableBody | None) -> str | None:
    """The ``unique_id`` of a request whose body may be missing."""
    return body.unique_id if body else None
