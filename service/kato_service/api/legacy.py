"""Operations of the older paths, under ``/v1`` and without it (http-api.md §3)."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api import patterns, processing
from kato_service.api.errors import invalid_input
from kato_service.api.intake.calls import Call, Called, call_of
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.requests import (
    GenesBody,
    ObservationBody,
    RepeatableBody,
    SequenceBody,
    UserId,
)
from kato_service.errors import (
    DeadlineExceededError,
    EmptyStmError,
    LimitExceededError,
    NotFoundError,
    OverloadedError,
    PatternNotFoundError,
    SessionNotFoundError,
    StoreUnavailableError,
    VectorDimensionError,
    VectorsDisabledError,
)
from kato_service.processing.idempotency import RequestIdentity
from kato_service.processing.results import LearnResult, SequenceResult
from kato_service.sessions.changes import Plan
from kato_service.sessions.state import Change, SessionState

_OK = "okay"
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
_OBSERVING = (VectorDimensionError, VectorsDisabledError, LimitExceededError, SessionNotFoundError)


async def addressed(connection: HTTPConnection) -> str:
    """The id of the session that the headers select; a default session is created on first use.

    Raises:
        SessionLimitExceededError: It would have to be created, and the instance is at its limit.
    """
    headers = connection.headers
    if session_id := headers.get("x-session-id"):
        return session_id
    user_id = headers.get("x-user-id") or headers.get("x-node-id")
    if not user_id and (test_id := headers.get("x-test-id")):
        user_id = f"test_{test_id}"
    call = call_of(connection)
    known = _user_id(user_id) if user_id else None
    return await call.default(known)


async def _addressed(request: Request) -> str:
    return await addressed(request)


Addressed = Annotated[str, Depends(_addressed)]


async def observe(call: Called, session_id: Addressed, body: ObservationBody) -> Response:
    return rendering.response(await processing.observed(call, session_id, body))


async def learn(
    call: Called, session_id: Addressed, body: RepeatableBody | None = None
) -> Response:
    try:
        result = await processing.learned(call, session_id, body)
    except EmptyStmError:
        result = _nothing_learned(await call.load(session_id))
    return rendering.response(rendering.learned(result) | {"status": _OK})


async def get_stm(call: Called, session_id: Addressed) -> Response:
    state = await call.load(session_id)
    content = {"status": _OK, "processor_id": state.processor_id}
    return rendering.response(processing.stm_of(state) | content)


async def predictions(call: Called, session_id: Addressed) -> Response:
    state = await call.load(session_id)
    result = await processing.predicted(call, state)
    content = await processing.predictions_of(call, state, result)
    return await rendering.long_response({"status": _OK} | content)


async def clear_stm(
    call: Called, session_id: Addressed, body: RepeatableBody | None = None
) -> Response:
    plan = partial(call.service.processor.clear_stm, unique_id=processing.unique_id_of(body))
    return _done(await _changed(call, session_id, plan), message="stm-cleared")


async def clear_all(
    call: Called, session_id: Addressed, body: RepeatableBody | None = None
) -> Response:
    processor = call.service.processor
    plan = partial(processor.clear_all, unique_id=processing.unique_id_of(body))
    after = await _changed(call, session_id, plan)
    await processor.drop_cleared_vectors(after.processor_id, deadline=call.deadline)
    return _done(after, message="all-cleared")


async def observe_sequence(call: Called, session_id: Addressed, body: SequenceBody) -> Response:
    result = await call.change(session_id, partial(_from_empty, call=call, body=body))
    content = {
        "status": _OK,
        "processor_id": result.processor_id,
        "observations_processed": result.observations_processed,
        "patterns_learned": _patterns_learned(result),
        "individual_results": await json_text.array(
            rendering.observed(item, _OK) for item in result.results
        ),
        "final_predictions": await _final_predictions(call, session_id),
    }
    return await rendering.long_response(content)


async def update_genes(call: Called, session_id: Addressed, body: GenesBody) -> Response:
    plan = partial(call.service.processor.configure, overrides=body.genes.given())
    return _done(await _changed(call, session_id, plan), message="genes-updated")


async def get_gene(call: Called, session_id: Addressed, name: str) -> Response:
    state = await call.load(session_id)
    genes = rendering.config(call.service.processor.genes(state))["config"]
    spelling = "sort_symbols" if name == "sort" else name
    if spelling not in genes:
        raise NotFoundError("there is no gene of this name")
    return _answer(state, gene=name, value=genes[spelling])


async def get_pattern(call: Called, session_id: Addressed, name: str) -> Response:
    state = await call.load(session_id)
    return _answer(state, pattern=await patterns.pattern_of(call, state, name))


async def get_percept_data(call: Called, session_id: Addressed) -> Response:
    state = await call.load(session_id)
    return _answer(state, percept_data=rendering.percept(state))


async def get_cognition_data(call: Called, session_id: Addressed) -> Response:
    state = await call.load(session_id)
    cognition = await processing.cognition_of(call, state)
    return await rendering.long_response(_content(state, cognition_data=cognition))


async def status(call: Called, session_id: Addressed) -> Response:
    return _done(await call.load(session_id))


_READ, _WRITE = Scope.READ, Scope.WRITE
_PATHS: tuple[tuple[str, tuple[str, ...], Scope, Any, str, Any], ...] = (
    ("POST", ("/observe",), _WRITE, observe, "Observe one event", _OBSERVING),
    ("POST", ("/learn",), _WRITE, learn, "Learn the short-term memory", ()),
    ("GET", ("/stm", "/short-term-memory"), _READ, get_stm, "Get the short-term memory", ()),
    ("GET", ("/predictions",), _READ, predictions, "Predict from the short-term memory", ()),
    ("POST", ("/predictions",), _READ, predictions, "Predict from the short-term memory", ()),
    (
        *("POST", ("/clear-stm", "/clear-short-term-memory"), _WRITE),
        *(clear_stm, "Empty the short-term memory", ()),
    ),
    (
        *("POST", ("/clear-all", "/clear-all-memory"), _WRITE),
        *(clear_all, "Empty the session, drop its knowledge base", ()),
    ),
    (
        *("POST", ("/observe-sequence",), _WRITE),
        *(observe_sequence, "Observe events in order", _OBSERVING),
    ),
    ("POST", ("/genes/update",), _WRITE, update_genes, "Change genes", ()),
    ("GET", ("/gene/{name}",), _READ, get_gene, "Get a gene", (NotFoundError,)),
    ("GET", ("/pattern/{name}",), _READ, get_pattern, "Get a pattern", (PatternNotFoundError,)),
    ("GET", ("/percept-data",), _READ, get_percept_data, "Get the last observation", ()),
    (
        *("GET", ("/cognition-data",), _READ),
        *(get_cognition_data, "Get predictions, emotives and memory", ()),
    ),
)
_AUDITED = (clear_all, update_genes)
OPERATIONS = tuple(
    Operation(
        (method,), path, endpoint, summary, responses.Legacy, (*errors, SessionNotFoundError),
        scope=scope, audited=endpoint in _AUDITED,
    )
    for method, paths, scope, endpoint, summary, errors in _PATHS
    for path in paths
)  # fmt: skip
STATUS = Operation(
    ("GET",), "/status", status, "Get the state of the session", responses.Legacy,
    (SessionNotFoundError,), scope=Scope.READ,
)  # fmt: skip


async def _from_empty(
    state: SessionState, *, call: Call, body: SequenceBody
) -> Change[SequenceResult]:
    """Plan a sequence from an empty STM, as one change.

    A repeat must not empty it: an interrupted sequence continues after what it observed before.
    """
    if RequestIdentity.of("observe-sequence", body.unique_id).earlier(state) is None:
        processor = call.service.processor
        cleared = await processor.clear_stm(state, unique_id=None)
        state = cleared.state or state
    return await processing.sequence_plan(call, body)(state)


async def _changed(call: Call, session_id: str, plan: Plan[Any]) -> SessionState:
    """The session as the change leaves it.

    It is not read again afterwards: that may fail, and the change is made.
    """
    after: list[SessionState] = []

    async def noted(state: SessionState) -> Change[Any]:
        change = await plan(state)
        after[:] = [change.state or state]
        return change

    await call.change(session_id, noted)
    return after[0]


def _answer(state: SessionState, **content: Any) -> Response:
    return rendering.response(_content(state, **content))


def _content(state: SessionState, **content: Any) -> dict[str, Any]:
    return {"status": _OK, "processor_id": state.processor_id} | content


def _done(state: SessionState, **more: str) -> Response:
    return _answer(
        state,
        session_id=state.session_id,
        time=state.time,
        stm_length=len(state.stm),
        **more,
    )


async def _final_predictions(call: Call, session_id: str) -> Any:
    """The predictions after a sequence; none if they fail, as the sequence is applied already."""
    try:
        state = await call.load(session_id)
        result = await processing.predicted(call, state)
        predictions = processing.spelled(call, state, result)
    except (StoreUnavailableError, OverloadedError, DeadlineExceededError, SessionNotFoundError):
        return ()
    return await json_text.array(predictions)


def _patterns_learned(result: SequenceResult) -> list[str]:
    names = (*result.auto_learned_patterns, result.final_learned_pattern)
    return [rendering.spelled(name) for name in names if name]


def _nothing_learned(state: SessionState) -> LearnResult:
    return LearnResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        status="insufficient_data",
        pattern_name="",
        frequency=0,
        unique_id="",
    )


def _user_id(given: str) -> str:
    try:
        return _USER_ID.validate_python(_utf8(given))
    except ValidationError as exc:
        raise invalid_input([{**exc.errors()[0], "loc": ("header", "user id")}]) from exc


def _utf8(header: str) -> str:
    """*header*, which the server decoded as Latin-1, as UTF-8 if its bytes are."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header
