"""Requests that carry a ``unique_id``: remembered, and answered again (sessions.md §7)."""

from dataclasses import replace
from hashlib import sha256

from kato_service.errors import InvalidInputError
from kato_service.processing.results import (
    ClearResult,
    LearnResult,
    ObservationResult,
    SequenceResult,
)
from kato_service.sessions.state import Remembered, SessionState

REMEMBERED = 256


def key_of(unique_id: str) -> str:
    """16 hex: the first 8 bytes of its SHA-256."""
    return sha256(unique_id.encode()).hexdigest()[:16]


def found(state: SessionState, operation: str, unique_id: str | None) -> Remembered | None:
    """The request of that id, if the session remembers it.

    Raises:
        InvalidInputError: It was another operation.
    """
    if unique_id is None:
        return None
    key = key_of(unique_id)
    known = next((one for one in state.remembered if one.key == key), None)
    if known is not None and known.operation != operation:
        raise InvalidInputError(
            f"unique_id: it belongs to a request to {known.operation} of this session",
            [{"location": ["body", "unique_id"], "reason": "must not be used for two operations"}],
        )
    return known


def remembering(state: SessionState, request: Remembered) -> SessionState:
    """The state with *request* as the last one remembered, in place of one of the same key."""
    others = [one for one in state.remembered if one.key != request.key]
    return replace(state, remembered=(*others, request)[-REMEMBERED:])


def observed_again(state: SessionState, known: Remembered, unique_id: str) -> ObservationResult:
    return ObservationResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        stm_length=known.stm_length,
        time=known.time,
        unique_id=unique_id,
        auto_learned_pattern=known.pattern_name or None,
        stm_truncated=known.stm_truncated,
        repeated=True,
    )


def sequence_again(state: SessionState, known: Remembered, unique_id: str) -> SequenceResult:
    return SequenceResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        observations_processed=known.count,
        results=(),
        auto_learned_patterns=(),
        final_learned_pattern=known.pattern_name,
        stm_length=known.stm_length,
        time=known.time,
        unique_id=unique_id,
        repeated=True,
    )


def learned_again(state: SessionState, known: Remembered, unique_id: str) -> LearnResult:
    return LearnResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        status=known.status,
        pattern_name=known.pattern_name,
        frequency=known.frequency,
        unique_id=unique_id,
        repeated=True,
    )


def cleared_again(state: SessionState, _known: Remembered, unique_id: str) -> ClearResult:
    return ClearResult(state.session_id, state.processor_id, unique_id, repeated=True)
