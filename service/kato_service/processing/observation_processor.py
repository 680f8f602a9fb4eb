"""Observing: checks of an observation, and its effect on a session (processor.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import Emotives
from kato_service.domain.shares import Holder
from kato_service.errors import InvalidInputError, LimitExceededError
from kato_service.knowledge.model.entries import Learn
from kato_service.processing.limits import (
    MAX_EMOTIVE_KEY_CHARS,
    MAX_EMOTIVE_KEYS,
    ObservationLimits,
)
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.pattern_processor import PatternProcessor
from kato_service.processing.vector_processor import VectorProcessor, check_one_dimension
from kato_service.sessions.state import SessionState


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation that is planned, not yet stored."""

    state: SessionState
    """The session afterwards; an automatic learn is part of it."""
    symbols: tuple[str, ...]
    stm_truncated: bool
    learned: Learn | None
    """What the automatic learn appends to the log."""

    @property
    def learned_name(self) -> str | None:
        """Bare digest of the pattern that an automatic learn made."""
        return self.learned.name if self.learned else None


class ObservationProcessor:
    def __init__(
        self,
        memory: MemoryManager,
        vectors: VectorProcessor,
        patterns: PatternProcessor,
        limits: ObservationLimits,
    ) -> None:
        self._memory = memory
        self._vectors = vectors
        self._patterns = patterns
        self._limits = limits

    async def check(
        self,
        kb: str,
        observations: Sequence[Observation],
        *,
        caller: Holder | None,
        deadline: Deadline,
    ) -> None:
        """Refuse *observations* as a whole if one of them cannot be applied; stores nothing.

        Args:
            caller: Who sends them; see `VectorProcessor.check_known`.

        Raises:
            InvalidInputError: One is invalid or exceeds a limit.
        """
        for observation in observations:
            self._check_strings(observation.strings)
            check_emotives(observation.emotives)
            self._vectors.check(observation.vectors)
        vectors = [vector for observation in observations for vector in observation.vectors]
        check_one_dimension(vectors)
        await self._vectors.check_known(kb, vectors, caller=caller, deadline=deadline)

    async def observe(
        self, state: SessionState, observation: Observation, genes: Genes, *, deadline: Deadline
    ) -> Observed:
        """Store the vectors of a checked observation and plan its effect on the session.

        Raises:
            StoreUnavailableError: Its vectors were not stored; nothing changed.
        """
        vectors = await self._vectors.symbols(
            state.processor_id, observation.vectors, genes, deadline=deadline
        )
        strings = observation.strings
        event = (*vectors, *(sorted(strings) if genes.sort_symbols else strings))
        after, truncated = self._memory.observed(state, observation, event)
        if not event:
            return Observed(after, (), truncated, None)
        learned = self._patterns.auto_learned(after, genes)
        return Observed(learned.state, event, truncated, learned.entry)

    def _check_strings(self, strings: Sequence[str]) -> None:
        limits = self._limits
        if len(strings) > limits.max_strings_per_event:
            raise LimitExceededError(
                f"strings: an event may have at most {limits.max_strings_per_event};"
                " split it into several events"
            )
        if any(len(symbol) > limits.max_symbol_chars for symbol in strings):
            raise LimitExceededError(
                f"strings: each may have at most {limits.max_symbol_chars} characters"
            )
        _check_text(strings, "strings")


def check_emotives(emotives: Emotives) -> None:
    """Refuse an emotive map that no session or pattern may hold.

    Raises:
        LimitExceededError: It has too many names, or one that is too long.
        InvalidInputError: A name is not valid Unicode text.
    """
    if len(emotives) > MAX_EMOTIVE_KEYS:
        raise LimitExceededError(f"emotives: a map may have at most {MAX_EMOTIVE_KEYS} names")
    if any(len(key) > MAX_EMOTIVE_KEY_CHARS for key in emotives):
        raise LimitExceededError(
            f"emotives: a name may have at most {MAX_EMOTIVE_KEY_CHARS} characters"
        )
    _check_text(tuple(emotives), "emotives")


def _check_text(texts: Sequence[str], field: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(
            f"{field}: contains a lone surrogate, which is not a character",
            [{"location": ["body", field], "reason": "must be valid Unicode text"}],
        ) from exc
