"""Idempotency: a request with a ``unique_id`` happens once; its repeat returns the first outcome.

The memory of earlier requests is part of the session (sessions.md §7), so it is saved in the same
step as the change that the request made.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

from kato_service.errors import InvalidInputError
from kato_service.processing.results import (
    ClearResult,
    LearnResult,
    ObservationResult,
    SequenceResult,
)
from kato_service.sessions.state import Remembered, SessionState

REMEMBERED = 256
"""Requests that a session remembers; the oldest is forgotten beyond."""


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What a request asks for, and the id that its repeat carries."""

    operation: str
    """observe | observe-sequence | learn | clear-stm | clear-all"""
    unique_id: str
    """The id that the client gave, or a random one if it gave none."""
    repeatable: bool
    """Whether the client gave the id, so that it can repeat the request."""

    @classmethod
    def of(cls, operation: str, unique_id: str | None) -> "RequestIdentity":
        """*unique_id*: as the client gave it, if it did."""
        if unique_id is None:
            return cls(operation, uuid4().hex, repeatable=False)
        return cls(operation, unique_id, repeatable=True)

    def earlier(self, state: SessionState) -> Remembered | None:
        """The outcome of this request if the session applied it before.

        Raises:
            InvalidInputError: The id belongs to a request of another operation.
        """
        if not self.repeatable:
            return None
        key = self._key()
        known = next((one for one in state.remembered if one.key == key), None)
        if known is not None and known.operation != self.operation:
            raise InvalidInputError(
                f"unique_id: this session already used it for {known.operation}; use a new one",
                [{"location": ["body", "unique_id"], "reason": "belongs to another operation"}],
            )
        return known

    def remembered_in(self, state: SessionState, **outcome: Any) -> SessionState:
        """*state* with this request as the last one remembered, if it can be repeated.

        Args:
            outcome: Fields of `Remembered` that the answer to a repeat needs.
        """
        if not self.repeatable:
            return state
        request = Remembered(
            key=self._key(),
            operation=self.operation,
            time=state.time,
            stm_length=len(state.stm),
            **outcome,
        )
        # A sequence that continues after a failure replaces its own entry.
        others = [one for one in state.remembered if one.key != request.key]
        return replace(state, remembered=(*others, request)[-REMEMBERED:])

    def _key(self) -> str:
        """16 hex: the first 8 bytes of the id's SHA-256."""
        return sha256(self.unique_id.encode()).hexdigest()[:16]


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


def cleared_again(state: SessionState, unique_id: str) -> ClearResult:
    return ClearResult(state.session_id, state.processor_id, unique_id, repeated=True)
