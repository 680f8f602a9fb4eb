"""What a session holds between learns: events, pending emotives and metadata, time."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from kato_service.domain.emotives import mean_emotives
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import Emotives, Event, Metadata, Stm
from kato_service.domain.sizes import EMOTIVE_BYTES, emotives_bytes, merged_metadata
from kato_service.errors import LimitExceededError
from kato_service.processing.limits import (
    MAX_EMOTIVE_KEY_CHARS,
    ObservationLimits,
)
from kato_service.sessions.state import SessionState, changed

MAX_UTF8_BYTES = 4
"""UTF-8 bytes of one character, at most."""


class MemoryManager:
    """Pure functions of a session's state: each returns a new one."""

    def __init__(self, limits: ObservationLimits) -> None:
        self._limits = limits

    def observed(
        self, state: SessionState, observation: Observation, event: Event
    ) -> tuple[SessionState, bool]:
        """The state after *observation*, and whether anything older was dropped to make room.

        Args:
            event: The symbols of *observation*, those of its vectors included.

        Raises:
            LimitExceededError: The event alone exceeds what an STM may hold.
        """
        stm = self._appended(state.stm, event) if event else state.stm
        emotives = state.pending_emotives
        if observation.emotives:
            emotives = (*emotives, dict(observation.emotives))
        kept = self._bounded(emotives[-self._limits.max_pending_emotives :])
        after = changed(
            state,
            time=state.time + 1,
            stm=stm,
            stm_seq=state.stm_seq + bool(event) + bool(observation.emotives),
            pending_emotives=kept,
            pending_metadata=self._with_metadata(state.pending_metadata, observation.metadata),
            percept=self._percept(observation),
            symbols=event,
        )
        dropped = len(stm) < len(state.stm) + bool(event) or len(kept) < len(emotives)
        return after, dropped

    def learned(self, state: SessionState, stm: Stm = ()) -> SessionState:
        """The state after a learn that leaves *stm* in the short-term memory."""
        return replace(
            state,
            stm=stm,
            stm_seq=state.stm_seq + 1,
            learned_emotives=current_emotives(state),
            pending_emotives=(),
            pending_metadata={},
        )

    def cleared(self, state: SessionState) -> SessionState:
        """The state without STM, emotives and metadata; its time stays."""
        return replace(self.learned(state), symbols=(), learned_emotives={})

    def cleared_all(self, state: SessionState) -> SessionState:
        """The state of a session that observed nothing yet; what it remembers of requests stays."""
        return replace(self.cleared(state), time=0, percept={})

    def _with_metadata(self, pending: Metadata, more: Mapping[str, str]) -> Metadata:
        texts = {key: (text,) for key, text in more.items()}
        return merged_metadata(pending, texts, self._limits.max_metadata_bytes)

    def _bounded(self, maps: tuple[Emotives, ...]) -> tuple[Emotives, ...]:
        """The newest maps, as many as fit into the bytes that an STM may take."""
        limit = self._limits.max_stm_bytes
        # An upper bound decides almost always, without encoding every name.
        if sum(map(len, maps)) * (MAX_UTF8_BYTES * MAX_EMOTIVE_KEY_CHARS + EMOTIVE_BYTES) <= limit:
            return maps
        kept = len(maps)
        room = limit
        while kept and (room := room - emotives_bytes(maps[kept - 1])) >= 0:
            kept -= 1
        return maps[kept:]

    def _percept(self, observation: Observation) -> dict[str, Any]:
        return {
            "strings": observation.strings,
            "vectors": observation.vectors,
            "emotives": observation.emotives,
            "metadata": self._shown(observation.metadata),
        }

    def _shown(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The part of an observation's metadata that fits the limit of a session."""
        kept = self._with_metadata({}, metadata)
        return {key: text for key, (text,) in kept.items()}

    def newest(self) -> "NewestEvents":
        """A short-term memory for one request: events can be added, and the oldest drop out."""
        return NewestEvents(self._limits)

    def _appended(self, stm: Stm, event: Event) -> Stm:
        """The STM with *event* at its end and without the oldest events that no longer fit."""
        self._require_fitting(event)
        longer = (*stm, event)[-self._limits.max_stm_events :]
        excess = self._excess(longer)
        return longer[excess:]

    def _require_fitting(self, event: Event) -> None:
        limits = self._limits
        if len(event) > limits.max_stm_symbols or event_bytes(event) > limits.max_stm_bytes:
            raise _too_large(limits)

    def _excess(self, stm: Stm) -> int:
        """How many of the oldest events have to go."""
        limits = self._limits
        symbols = sum(map(len, stm))
        size = self._size(stm)
        count = 0
        while symbols > limits.max_stm_symbols or size > limits.max_stm_bytes:
            symbols -= len(stm[count])
            size -= event_bytes(stm[count])
            count += 1
        return count

    def _size(self, stm: Stm) -> int:
        """UTF-8 bytes of *stm*; only an upper bound if that is within the limit already."""
        bound = sum(map(len, chain.from_iterable(stm))) * MAX_UTF8_BYTES
        return bound if bound <= self._limits.max_stm_bytes else sum(map(event_bytes, stm))


class NewestEvents:
    """The newest events that a short-term memory holds, when they are observed one by one."""

    def __init__(self, limits: ObservationLimits) -> None:
        self._limits = limits
        self._held: deque[tuple[Event, int]] = deque()
        """Each with its UTF-8 bytes."""
        self._symbols = self._bytes = 0
        self.truncated = False
        """Whether older ones had to make room."""

    @property
    def stm(self) -> Stm:
        return tuple(event for event, _ in self._held)

    def add(self, event: Event) -> None:
        """Raises LimitExceededError if the event alone exceeds what a memory may hold."""
        limits, size = self._limits, event_bytes(event)
        if len(event) > limits.max_stm_symbols or size > limits.max_stm_bytes:
            raise _too_large(limits)
        self._held.append((event, size))
        self._symbols += len(event)
        self._bytes += size
        while (
            len(self._held) > limits.max_stm_events
            or self._symbols > limits.max_stm_symbols
            or self._bytes > limits.max_stm_bytes
        ):
            dropped, size = self._held.popleft()
            self._symbols -= len(dropped)
            self._bytes -= size
            self.truncated = True


def _too_large(limits: ObservationLimits) -> LimitExceededError:
    reason = (
        f"must fit into a short-term memory of {limits.max_stm_symbols} symbols"
        f" (MAX_STM_SYMBOLS) and {limits.max_stm_bytes} bytes (MAX_STM_BYTES), together with the"
        " symbols of the vectors; split the event into several"
    )
    return LimitExceededError.at("strings", reason=reason)


def current_emotives(state: SessionState) -> Emotives:
    """Mean per name of the pending emotives; those of the last learn if none are pending."""
    if not state.pending_emotives:
        return state.learned_emotives
    return mean_emotives(state.pending_emotives)


def stm_after_auto_learn(stm: Stm, genes: Genes) -> Stm:
    """What an automatic learn of *stm* leaves in the short-term memory."""
    match genes.stm_mode:
        case "CLEAR":
            return ()
        case "ROLLING":
            kept = genes.max_pattern_length - 1
            return stm[-kept:] if kept else ()
        case "KEEP_LAST":
            return stm[-1:] if len(stm) > 1 else ()


def event_bytes(event: Event) -> int:
    """UTF-8 bytes of the symbols of *event*."""
    return sum(len(symbol.encode()) for symbol in event)
