"""Operations of the older paths, under ``/v1`` and without it (http-api.md §3)."""

from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import uuid4

from pydantic import BaseModel
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api import patterns, processing
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
from kato_service.api.intake.operations import Operation
from kato_service.api.session_address import Address, shown
from kato_service.api.sessions import one_of
from kato_service.api.shapes import older_responses as older
from kato_service.api.shapes import other_genes, rendering, responses
from kato_service.api.shapes.requests import (
    GenesBody,
    ObservationBody,
    OlderPredictionsBody,
    PredictionOptions,
    RepeatableBody,
    SequenceBody,
)
from kato_service.api.wording import unknown
from kato_service.errors import (
    DeadlineExceededError,
    EmptyStmError,
    LimitExceededError,
    MatchingBudgetError,
    NotFoundError,
    OverloadedError,
    PatternNotFoundError,
    SessionLimitExceededError,
    SessionNotFoundError,
    StoreUnavailableError,
    UniqueIdReusedError,
    VectorDimensionError,
    VectorLimitExceededError,
    VectorsDisabledError,
)
from kato_service.processing.results import ClearResult, LearnResult, SequenceResult
from kato_service.sessions.state import SessionState

_OK = "okay"
_REPEATABLE = (UniqueIdReusedError, SessionLimitExceededError)
_OBSERVING = (
    *(VectorDimensionError, VectorsDisabledError, VectorLimitExceededError, LimitExceededError),
    *_REPEATABLE,
)


async def observe(call: Call, body: ObservationBody) -> Response:
    return rendering.response(
        await processing.observed(call, await Address.of(call).id(call), body)
    )


async def learn(call: Call, body: RepeatableBody | None = None) -> Response:
    return rendering.response(await learn_content(call, Address.of(call), body))


async def learn_content(
    call: Call, address: Address, body: RepeatableBody | None
) -> dict[str, Any]:
    """The answer to a learn, also on a WebSocket; learning nothing is no error on these paths."""
    if blank := await address.missing(call):
        result = _nothing_learned(blank, processing.unique_id_of(body))
    else:
        result = await _learned(call, await address.id(call), body)
    return rendering.learned(result) | {"status": _OK}


async def _learned(call: Call, session_id: str, body: RepeatableBody | None) -> LearnResult:
    try:
        return await processing.learned(call, session_id, body)
    except EmptyStmError:
        return _nothing_learned(await call.load(session_id), processing.unique_id_of(body))


async def get_stm(call: Call) -> Response:
    state = await shown(call)
    content = {"status": _OK, "processor_id": state.processor_id}
    return rendering.response(processing.stm_of(state) | content)


async def predictions(
    call: Call,
    limit: Limit = None,
    recall_threshold: Threshold = None,
    fields: Fields = None,
    unique_id: OfObservation = None,
) -> Response:
    options = PredictionOptions(limit=limit, recall_threshold=recall_threshold, fields=fields)
    chosen = asked(call, options, "query")
    return await _predictions(call, await shown(call), chosen, unique_id)


async def _predictions(
    call: Call, state: SessionState, chosen: Asked, unique_id: str | None
) -> Response:
    processing.require_last(state, unique_id)
    result = await predicted(call, state, chosen)
    content = await predictions_of(call, state, result, chosen)
    checked = {} if unique_id is None else {"unique_id": unique_id}
    return await rendering.long_response({"status": _OK} | content | checked)


async def predict(
    call: Call,
    body: OlderPredictionsBody | None = None,
    limit: Limit = None,
    recall_threshold: Threshold = None,
    fields: Fields = None,
    unique_id: OfObservation = None,
) -> Response:
    given = body or OlderPredictionsBody()
    asked(call, given, "body")
    options = PredictionOptions(
        limit=one_of("limit", limit, given.limit),
        recall_threshold=one_of("recall_threshold", recall_threshold, given.recall_threshold),
        fields=one_of("fields", fields, given.fields),
    )
    chosen = asked(call, options, "query")
    unique_id = one_of("unique_id", unique_id, given.unique_id)
    state = await shown(call)
    processing.require_last(state, given.unique_id, "body")
    return await _predictions(call, state, chosen, unique_id)


async def clear_stm(call: Call, body: RepeatableBody | None = None) -> Response:
    address, unique_id = Address.of(call), processing.unique_id_of(body)
    if unique_id is None and (blank := await address.missing(call)):
        return _done(blank, message="stm-cleared", unique_id=uuid4().hex)
    plan = partial(call.service.processor.clear_stm, unique_id=unique_id)
    changed = await call.changed(await address.id(call), plan)
    return _cleared(changed.after, changed.answer, "stm-cleared")


async def clear_all(call: Call, body: RepeatableBody | None = None) -> Response:
    processor = call.service.processor
    plan = partial(processor.clear_all, unique_id=processing.unique_id_of(body))
    changed = await call.changed(await Address.of(call).id(call), plan)
    await processor.drop_cleared_vectors(changed.after.processor_id, deadline=call.deadline)
    return _cleared(changed.after, changed.answer, "all-cleared")


async def observe_sequence(call: Call, body: SequenceBody) -> Response:
    session_id = await Address.of(call).id(call)
    result = await call.change(session_id, processing.sequence_plan(call, body, from_empty=True))
    content = {
        "status": _OK,
        "processor_id": result.processor_id,
        "observations_processed": result.observations_processed,
        "patterns_learned": _patterns_learned(result),
        "individual_results": await json_text.array(rendering.items(result, body.item_ids(), _OK)),
        "final_predictions": await _final_predictions(call, session_id),
        "unique_id": result.unique_id,
    }
    return await rendering.long_response(content | rendering.repeated(result))


async def update_genes(call: Call, body: GenesBody) -> Response:
    plan = partial(call.service.processor.configure, overrides=body.genes.given())
    changed = await call.changed(await Address.of(call).id(call), plan)
    without_effect = rendering.ignored(body.genes.ignored())
    return _done(changed.after, message="genes-updated", **without_effect)


async def get_gene(call: Call, name: str) -> Response:
    state = await shown(call)
    genes = asdict(call.service.processor.genes(state))
    others = other_genes.shown(state.chosen)
    spelling = "sort_symbols" if name.lower() == "sort" else name.lower()
    if spelling in genes:
        return _answer(state, gene=name, value=genes[spelling])
    if spelling in others:
        without_effect = rendering.ignored([spelling])
        return _answer(state, gene=name, value=others[spelling], **without_effect)
    refused = "there is no gene of this name"
    raise NotFoundError(unknown(spelling, {*genes, *others, "sort"}, refused=refused))


async def get_pattern(call: Call, name: str) -> Response:
    state = await shown(call)
    return _answer(state, pattern=await patterns.pattern_of(call, state, name))


async def get_percept_data(call: Call) -> Response:
    state = await shown(call)
    return _answer(state, percept_data=rendering.percept(state))


async def get_cognition_data(call: Call) -> Response:
    state = await shown(call)
    cognition = await processing.cognition_of(call, state)
    return await rendering.long_response(_content(state, cognition_data=cognition))


async def status(call: Call) -> Response:
    return _done(await shown(call))


_READ, _WRITE = Scope.READ, Scope.WRITE
_PATHS: tuple[tuple[str, tuple[str, ...], Scope, Any, str, type[BaseModel], Any], ...] = (
    (
        *("POST", ("/observe",), _WRITE, observe, "Observe one event"),
        *(responses.ObservationResult, _OBSERVING),
    ),
    (
        *("POST", ("/learn",), _WRITE, learn, "Learn the short-term memory"),
        *(responses.LearnResult, (UniqueIdReusedError,)),
    ),
    (
        *("GET", ("/stm", "/short-term-memory"), _READ, get_stm, "Get the short-term memory"),
        *(older.OlderStm, ()),
    ),
    (
        *("GET", ("/predictions",), _READ, predictions, "Predict from the short-term memory"),
        *(older.OlderPredictions, (MatchingBudgetError,)),
    ),
    (
        *("POST", ("/predictions",), _READ, predict, "Predict from the short-term memory"),
        *(older.OlderPredictions, (MatchingBudgetError,)),
    ),
    (
        *("POST", ("/clear-stm", "/clear-short-term-memory"), _WRITE, clear_stm),
        *("Empty the short-term memory", older.OlderCleared, _REPEATABLE),
    ),
    (
        *("POST", ("/clear-all", "/clear-all-memory"), _WRITE, clear_all),
        *("Empty the session, drop its knowledge base", older.OlderCleared, _REPEATABLE),
    ),
    (
        *("POST", ("/observe-sequence",), _WRITE, observe_sequence, "Observe events in order"),
        *(older.OlderSequence, _OBSERVING),
    ),
    (
        *("POST", ("/genes/update",), _WRITE, update_genes, "Change genes"),
        *(older.OlderGenesUpdated, (SessionLimitExceededError,)),
    ),
    (
        *("GET", ("/gene/{name}",), _READ, get_gene, "Get a gene"),
        *(older.OlderGene, (NotFoundError,)),
    ),
    (
        *("GET", ("/pattern/{name}",), _READ, get_pattern, "Get a pattern"),
        *(older.OlderPattern, (PatternNotFoundError,)),
    ),
    (
        *("GET", ("/percept-data",), _READ, get_percept_data, "Get the last observation"),
        *(older.OlderPerceptData, ()),
    ),
    (
        *("GET", ("/cognition-data",), _READ, get_cognition_data),
        *("Get predictions, emotives and memory", older.OlderCognitionData),
        (MatchingBudgetError,),
    ),
)
_AUDITED = (clear_all, update_genes)
OPERATIONS = tuple(
    Operation(
        (method,), path, endpoint, summary, answer, (*errors, SessionNotFoundError),
        scope=scope, audited=endpoint in _AUDITED,
    )
    for method, paths, scope, endpoint, summary, answer, errors in _PATHS
    for path in paths
)  # fmt: skip
STATUS = Operation(
    ("GET",), "/status", status, "Get the state of the session", older.OlderState,
    (SessionNotFoundError,), scope=Scope.READ,
)  # fmt: skip


def _answer(state: SessionState, **content: Any) -> Response:
    return rendering.response(_content(state, **content))


def _content(state: SessionState, **content: Any) -> dict[str, Any]:
    return {"status": _OK, "processor_id": state.processor_id} | content


def _cleared(state: SessionState, result: ClearResult, message: str) -> Response:
    again = rendering.repeated(result)
    return _done(state, message=message, unique_id=result.unique_id, **again)


def _done(state: SessionState, **more: Any) -> Response:
    return _answer(
        state,
        session_id=rendering.session_id(state),
        time=state.time,
        stm_length=len(state.stm),
        **more,
    )


async def _final_predictions(call: Call, session_id: str) -> Any:
    """The predictions after a sequence; none if they fail, as the sequence is applied already."""
    try:
        state = await call.load(session_id)
        result = await predicted(call, state)
        predictions = spelled(call, state, result)
    except (StoreUnavailableError, OverloadedError, DeadlineExceededError, SessionNotFoundError):
        return ()
    return await json_text.array(predictions)


def _patterns_learned(result: SequenceResult) -> list[str]:
    names = (*result.auto_learned_patterns, result.final_learned_pattern)
    return [rendering.spelled(name) for name in names if name]


def _nothing_learned(state: SessionState, unique_id: str | None) -> LearnResult:
    return LearnResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        status="insufficient_data",
        pattern_name="",
        frequency=0,
        unique_id=unique_id or uuid4().hex,
    )
