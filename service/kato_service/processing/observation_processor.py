"""Observing: checks of an observation, and its effect on a session (processor.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import MAX_LABEL_CHARS, Observation
from kato_service.domain.pattern import Emotives
from kato_service.domain.shares import Holder
from kato_service.errors import InvalidInputError, LimitExceededError, VectorDimensionError
from kato_service.findings import Part, Place
from kato_service.knowledge.model.entries import Learn
from kato_service.processing.limits import (
    MAX_EMOTIVE_KEY_CHARS,
    MAX_EMOTIVE_KEYS,
    ObservationLimits,
)
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.pattern_processor import PatternProcessor
from kato_service.processing.vector_processor import Vector, VectorProcessor
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
        in_sequence: bool = False,
        caller: Holder | None,
        deadline: Deadline,
    ) -> None:
        """Refuse *observations* as a whole if one of them cannot be applied; stores nothing.

        Args:
            in_sequence: Whether they are the items of a sequence, not the body of a request.
            caller: Who sends them; see `VectorProcessor.check_known`.

        Raises:
            InvalidInputError: One is invalid or exceeds a limit.
        """
        dimension = 0
        for number, observation in enumerate(observations):
            try:
                dimension = self.check_alone(observation, dimension)
            except InvalidInputError as error:
                raise error.inside(*_item(number, in_sequence=in_sequence)) from error
        first = first_with_vectors(observations)
        if first is None:
            return
        try:
            await self._vectors.check_known(
                kb, observations[first].vectors, caller=caller, deadline=deadline
            )
        except InvalidInputError as error:
            raise error.inside(*_item(first, in_sequence=in_sequence)) from error

    def check_alone(self, observation: Observation, dimension: int) -> int:
        """Refuse an *observation* that cannot be applied whatever the knowledge base holds.

        Args:
            dimension: Of the vectors of earlier observations; 0: there were none.

        Returns:
            The same with this observation.

        Raises:
            InvalidInputError: It is invalid or exceeds a limit.
        """
        self._check_strings(observation.strings)
        check_emotives(observation.emotives, "emotives")
        self._vectors.check(observation.vectors)
        check_labels(observation)
        return _checked_dimension(observation.vectors, dimension)

    async def observe(
        self, state: SessionState, observation: Observation, genes: Genes, *, deadline: Deadline
    ) -> Observed:
        """Store the vectors of a checked observation and plan its effect on the session.

        Raises:
            StoreUnavailableError: Its vectors were not stored; nothing changed.
        """
        vectors = await self._vectors.symbols(
            state.processor_id,
            observation.vectors,
            genes,
            labels=observation.vector_labels,
            user=state.user_id,
            deadline=deadline,
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
            reason = (
                f"must have at most {limits.max_strings_per_event} items"
                " (MAX_STRINGS_PER_EVENT); split the event into several"
            )
            raise LimitExceededError.at("strings", reason=reason)
        for position, symbol in enumerate(strings):
            if len(symbol) > limits.max_symbol_chars:
                most = f"must have at most {limits.max_symbol_chars} characters (MAX_SYMBOL_CHARS)"
                raise LimitExceededError.at("strings", position, reason=most)
        _check_text(strings, "strings")


def check_labels(observation: Observation) -> None:
    """Refuse labels that belong to no vector, or that no vector may have.

    Raises:
        LimitExceededError: One is too long.
        InvalidInputError: There are more of them than vectors, or one is empty or no Unicode text.
    """
    labels, vectors = observation.vector_labels, len(observation.vectors)
    if not labels:
        return
    if len(labels) > vectors:
        reason = f"must have at most as many items as vectors ({vectors})"
        raise InvalidInputError.at("vector_labels", reason=reason)
    for position, label in enumerate(labels):
        if label == "":
            raise InvalidInputError.at("vector_labels", position, reason="must not be empty")
        if label is not None and len(label) > MAX_LABEL_CHARS:
            reason = f"must have at most {MAX_LABEL_CHARS} characters"
            raise LimitExceededError.at("vector_labels", position, reason=reason)
    _check_text([label for label in labels if label is not None], "vector_labels")


def check_emotives(emotives: Emotives, *place: Part) -> None:
    """Refuse an emotive map, at *place* in the body, that no session or pattern may hold.

    Raises:
        LimitExceededError: It has too many names, or one that is too long.
        InvalidInputError: A name is not valid Unicode text.
    """
    if len(emotives) > MAX_EMOTIVE_KEYS:
        reason = f"must have at most {MAX_EMOTIVE_KEYS} names"
        raise LimitExceededError.at(*place, reason=reason)
    for name in emotives:
        if len(name) > MAX_EMOTIVE_KEY_CHARS:
            reason = f"is a name of more than {MAX_EMOTIVE_KEY_CHARS} characters"
            raise LimitExceededError.at(*place, name, reason=reason)
    _check_text(tuple(emotives), *place)


def first_with_vectors(observations: Sequence[Observation]) -> int | None:
    """The number of the first observation that has vectors."""
    return next((n for n, each in enumerate(observations) if each.vectors), None)


def _check_text(texts: Sequence[str], *place: Part) -> None:
    """Refuse texts that are not Unicode; those that came as JSON were checked before."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as exc:
        reason = "must be valid Unicode text, without lone surrogates"
        raise InvalidInputError.at(*place, reason=reason) from exc


def _checked_dimension(vectors: Sequence[Vector], first: int) -> int:
    """The dimension of the first vector of a request.

    Args:
        first: That dimension, if an earlier observation had vectors; else 0.

    Raises:
        VectorDimensionError: One of *vectors* has another; a knowledge base cannot hold them all.
    """
    for position, vector in enumerate(vectors):
        first = first or len(vector)
        if len(vector) != first:
            raise VectorDimensionError.mixed(len(vector), first, "vectors", position)
    return first


def _item(number: int, *, in_sequence: bool) -> Place:
    """Where an observation is in its body."""
    return ("observations", number) if in_sequence else ()
