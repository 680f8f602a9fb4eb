"""Operations of the older paths, under ``/v1`` and without it (http-api.md §3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from fastapi import Depends
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Caller, Scope
from kato_service.api import patterns, processing
from kato_service.api.intake.calls import Call, Called, call_of
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import older_responses as older
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.requests import (
    GenesBody,
    ObservationBody,
    RepeatableBody,
    SequenceBody,
    UserId,
)
from kato_service.api.wording import invalid_input
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
from kato_service.sessions.changes import Plan
from kato_service.sessions.state import Change, SessionState

A = TypeVar("A")
_OK = "okay"
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
_REPEATABLE = (UniqueIdReusedError, SessionLimitExceededError)
_OBSERVING = (
    *(VectorDimensionError, VectorsDisabledError, VectorLimitExceededError, LimitExceededError),
    *_REPEATABLE,
)


@dataclass(slots=True)
class Address:
    """The session that a request or a WebSocket selects."""

    session_id: str | None
    """None: the default session of ``user_id``, as long as its id is not needed."""
    user_id: str | None = None
    """None: the default session is the instance's own."""

    @classmethod
    def of(cls, connection: HTTPConnection) -> "Address":
        """The address in the headers.

        Raises:
            InvalidInputError: The user that the address needs is not valid.
            ForbiddenError: A header names a user as whom the caller may not act, even one that the
                address does not need.
        """
        caller: Caller = connection.state.caller
        named = list(_named_users(connection))
        for given, _, prefix in named:
            caller.acting_as(_utf8(prefix + given))
        if session_id := connection.headers.get("x-session-id"):
            return cls(session_id)
        return cls(None, _user_id(*named[0]) if named else None)

    async def id(self, call: Call) -> str:
        """The id of the session, for a change; a default session is created if it is missing.

        To be called once the request is known to be valid: until then nothing may be created.

        Raises:
            SessionLimitExceededError: It would have to be created, and a limit is reached.
            ForbiddenError: The caller may not act as its user.
        """
        if self.session_id is None:
            self.session_id = await call.default_id(self.user_id)
        return self.session_id

    async def state(self, call: Call) -> SessionState:
        """The session, for a read; a default session that is missing is blank and stays missing.

        Raises:
            SessionNotFoundError: There is no session of the given id.
            ForbiddenError: The caller may not act as the user of a default session.
        """
        if self.session_id is not None:
            return await call.load(self.session_id)
        state = await call.default(self.user_id)
        self.session_id = rendering.session_id(state)
        return state

    async def missing(self, call: Call) -> SessionState | None:
        """The blank state of a default session that does not exist; None: it exists."""
        if self.session_id is None:
            state = await self.state(call)
            if not state.session_id:
                return state
        return None


def _named_users(connection: HTTPConnection) -> Iterator[tuple[str, str, str]]:
    """The users that headers name, the one that counts first: value, header, and its prefix."""
    for name, prefix in (("X-User-ID", ""), ("X-Node-ID", ""), ("X-Test-ID", "test_")):
        yield from ((one, name, prefix) for one in connection.headers.getlist(name) if one)


async def _addressed(request: Request) -> Address:
    return Address.of(request)


async def _shown(request: Request) -> SessionState:
    return await Address.of(request).state(call_of(request))


Addressed = Annotated[Address, Depends(_addressed)]
Shown = Annotated[SessionState, Depends(_shown)]
"""The session, for a read."""


async def observe(call: Called, address: Addressed, body: ObservationBody) -> Response:
    return rendering.response(await processing.observed(call, await address.id(call), body))


async def learn(call: Called, address: Addressed, body: RepeatableBody | None = None) -> Response:
    return rendering.response(await learn_content(call, address, body))


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


async def get_stm(state: Shown) -> Response:
    content = {"status": _OK, "processor_id": state.processor_id}
    return rendering.response(processing.stm_of(state) | content)


async def predictions(call: Called, state: Shown) -> Response:
    result = await processing.predicted(call, state)
    content = await processing.predictions_of(call, state, result)
    return await rendering.long_response({"status": _OK} | content)


async def clear_stm(
    call: Called, address: Addressed, body: RepeatableBody | None = None
) -> Response:
    unique_id = processing.unique_id_of(body)
    if unique_id is None and (blank := await address.missing(call)):
        return _done(blank, message="stm-cleared", unique_id=uuid4().hex)
    plan = partial(call.service.processor.clear_stm, unique_id=unique_id)
    after, result = await _changed(call, await address.id(call), plan)
    return _cleared(after, result, "stm-cleared")


async def clear_all(
    call: Called, address: Addressed, body: RepeatableBody | None = None
) -> Response:
    processor = call.service.processor
    plan = partial(processor.clear_all, unique_id=processing.unique_id_of(body))
    after, result = await _changed(call, await address.id(call), plan)
    await processor.drop_cleared_vectors(after.processor_id, deadline=call.deadline)
    return _cleared(after, result, "all-cleared")


async def observe_sequence(call: Called, address: Addressed, body: SequenceBody) -> Response:
    session_id = await address.id(call)
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


async def update_genes(call: Called, address: Addressed, body: GenesBody) -> Response:
    plan = partial(call.service.processor.configure, overrides=body.genes.given())
    after, _ = await _changed(call, await address.id(call), plan)
    return _done(after, message="genes-updated")


async def get_gene(call: Called, state: Shown, name: str) -> Response:
    genes = rendering.config(call.service.processor.genes(state))["config"]
    spelling = "sort_symbols" if name == "sort" else name
    if spelling not in genes:
        raise NotFoundError("there is no gene of this name")
    return _answer(state, gene=name, value=genes[spelling])


async def get_pattern(call: Called, state: Shown, name: str) -> Response:
    return _answer(state, pattern=await patterns.pattern_of(call, state, name))


async def get_percept_data(state: Shown) -> Response:
    return _answer(state, percept_data=rendering.percept(state))


async def get_cognition_data(call: Called, state: Shown) -> Response:
    cognition = await processing.cognition_of(call, state)
    return await rendering.long_response(_content(state, cognition_data=cognition))


async def status(state: Shown) -> Response:
    return _done(state)


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
        *("POST", ("/predictions",), _READ, predictions, "Predict from the short-term memory"),
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


async def _changed(call: Call, session_id: str, plan: Plan[A]) -> tuple[SessionState, A]:
    """The session as the change leaves it, and the result of *plan*.

    The session is not read again afterwards: that may fail, and the change is made.
    """
    after: list[SessionState] = []

    async def noted(state: SessionState) -> Change[A]:
        change = await plan(state)
        after[:] = [change.state or state]
        return change

    result = await call.change(session_id, noted)
    return after[0], result


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
        result = await processing.predicted(call, state)
        predictions = processing.spelled(call, state, result)
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


def _user_id(given: str, header: str, prefix: str) -> str:
    try:
        return _USER_ID.validate_python(prefix + _utf8(given))
    except ValidationError as exc:
        found = [_unprefixed(error, header, prefix) for error in exc.errors(include_url=False)]
        raise invalid_input(found, part="header") from exc


def _unprefixed(error: Mapping[str, Any], header: str, prefix: str) -> dict[str, Any]:
    """*error* about a user id as one about the *header* that the prefix was put before."""
    context = dict(error.get("ctx", {}))
    if "max_length" in context:
        context["max_length"] -= len(prefix)
    return {**error, "loc": (header,), "ctx": context}


def _utf8(header: str) -> str:
    """*header*, which the server decoded as Latin-1, as UTF-8 if its bytes are."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header
