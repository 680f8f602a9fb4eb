"""Idempotency: a request with a ``unique_id`` happens once; its repeat returns the first outcome.

The memory of earlier requests is part of the session (sessions.md §7), so it is saved in the same
step as the change that the request made.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b, sha256
from typing import Any

from kato_service import json_text
from kato_service.domain.observation import Observation
from kato_service.errors import UniqueIdReusedError
from kato_service.processing.results import (
    ClearResult,
    LearnResult,
    ObservationResult,
    SequenceResult,
)
from kato_service.processing.sequence import SequenceOptions
from kato_service.sessions.state import CONTENT_BITS, Remembered, SessionState

REMEMBERED = 256
"""Requests that a session remembers; the oldest is forgotten beyond."""
NO_CONTENT = b""
"""The content of a request that is its operation alone."""
DIGEST_BYTES = 16
ID_BYTES = 16
"""Random bytes of the id of a request that has none."""
YIELD_EVERY = 16
"""Observations after whose digests other requests get their turn."""


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What a request asks for, and the id that its repeat carries."""

    operation: str
    """observe | observe-sequence | learn | clear-stm | clear-all"""
    unique_id: str
    """The id that the client gave, or a random one if it gave none."""
    repeatable: bool
    """Whether the client gave the id, so that it can repeat the request."""
    content: int
    """A hash of what the request asks for, of `CONTENT_BITS` bits and never 0."""

    @classmethod
    def of(
        cls, operation: str, unique_id: str | None, content: bytes = NO_CONTENT
    ) -> "RequestIdentity":
        """The identity of a request.

        Args:
            unique_id: As the client gave it, if it did.
            content: Equal for requests that ask for the same; see `content_of`.
        """
        if unique_id is None:
            return cls(operation, random.randbytes(ID_BYTES).hex(), repeatable=False, content=0)
        digest = blake2b(content, digest_size=CONTENT_BITS // 8).digest()
        number = int.from_bytes(digest, "big") or 1
        return cls(operation, unique_id, repeatable=True, content=number)

    def earlier(self, state: SessionState) -> Remembered | None:
        """The outcome of this request if the session applied it before.

        Raises:
            UniqueIdReusedError: The id belongs to a request of another operation or content.
        """
        if not self.repeatable:
            return None
        key = self._key()
        known = next((one for one in state.remembered if one.key == key), None)
        if known is None:
            return None
        if known.operation != self.operation:
            raise _reused(known.operation)
        # An earlier version, or an older replica that rewrote the list, noted no content.
        if known.content and known.content != self.content:
            raise _reused(f"another {known.operation}")
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
            content=self.content,
            **outcome,
        )
        # A sequence that continues after a failure replaces its own entry.
        others = [one for one in state.remembered if one.key != request.key]
        return replace(state, remembered=(*others, request)[-REMEMBERED:])

    def _key(self) -> str:
        """16 hex: the first 8 bytes of the id's SHA-256."""
        return sha256(self.unique_id.encode()).hexdigest()[:16]


def own_id(state: SessionState) -> str:
    """The id of an observation that was sent without one, made from the session that it left.

    So `is_last_observation` recognises it, and nothing has to be stored.
    """
    left = f"{state.incarnation}:{state.stm_seq}:{state.time}"
    return sha256(left.encode()).hexdigest()[: 2 * ID_BYTES]


def with_id_in_percept(state: SessionState, unique_id: str | None) -> SessionState:
    """*state* after an observation, from which `is_last_observation` knows the id it was sent
    with; None: it was sent without."""
    if unique_id is None:
        return state
    noted = {"unique_id": unique_id, "stm_seq": state.stm_seq}
    return replace(state, percept={**state.percept, **noted})


def is_last_observation(state: SessionState, unique_id: str) -> bool:
    """Whether the short-term memory still is what the observation of *unique_id* left."""
    noted = state.percept.get("unique_id"), state.percept.get("stm_seq")
    return noted == (unique_id, state.stm_seq) or unique_id == own_id(state)


def content_of(observation: Observation) -> bytes:
    """A digest that is equal for equal observations, however their JSON was written."""
    given: dict[str, Any] = {
        "strings": observation.strings,
        "vectors": observation.vectors,
        "emotives": dict(observation.emotives),
        "metadata": dict(observation.metadata),
    }
    if observation.vector_labels:  # without them, the digest is that of every version
        given["vector_labels"] = observation.vector_labels
    return blake2b(json_text.canonical(given).encode(), digest_size=DIGEST_BYTES).digest()


async def content_of_all(observations: Sequence[Observation], options: SequenceOptions) -> bytes:
    """A digest that is equal for equal sequences; computed in portions."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest.update(json_text.canonical(asdict(options)).encode())
    for number, observation in enumerate(observations, 1):
        digest.update(content_of(observation))
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return digest.digest()


def _reused(used_for: str) -> UniqueIdReusedError:
    reason = (
        f"is not new: this session already used it for {used_for}; nothing changed, send another"
        " one"
    )
    return UniqueIdReusedError.at("unique_id", reason=reason)


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
