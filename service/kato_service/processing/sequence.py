"""A sequence of observations, planned item by item as one change (http-api.md §2)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.errors import InvalidInputError, LimitExceededError, StoreUnavailableError
from kato_service.knowledge.model.entries import Learn
from kato_service.processing.limits import MAX_LEARNED_BYTES
from kato_service.processing.memory_manager import MemoryManager, event_bytes
from kato_service.processing.observation_processor import ObservationProcessor, Observed
from kato_service.processing.pattern_processor import PatternProcessor
from kato_service.processing.results import ObservationResult, SequenceResult
from kato_service.sessions.state import SessionState


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    learn_after_each: bool
    learn_at_end: bool
    clear_stm_between: bool
    from_empty: bool = False
    """Empty the short-term memory before the first item, as the older paths do."""


@dataclass(slots=True)
class SequencePlan:
    """What the items planned so far did to the session; grows with each of them."""

    state: SessionState
    options: SequenceOptions
    applied: int = 0
    """Items, including those that an earlier request with the same ``unique_id`` applied."""
    results: list[ObservationResult] = field(default_factory=list)
    learned: list[Learn] = field(default_factory=list)
    """Entries for the log, in order."""
    learned_bytes: int = 0
    final: str = ""
    """Bare digest of what ``learn_at_end`` learns; '' if nothing."""

    def add(self, entry: Learn) -> None:
        """Add a learn to those of the sequence.

        Raises:
            LimitExceededError: Together they exceed what one request may learn.
        """
        self.learned.append(entry)
        self.learned_bytes += sum(map(event_bytes, entry.events))
        if self.learned_bytes > MAX_LEARNED_BYTES:
            reason = (
                f"makes the sequence learn more than {MAX_LEARNED_BYTES} bytes at once; split the"
                " sequence, or keep less in the short-term memory (genes stm_mode,"
                " max_pattern_length)"
            )
            raise LimitExceededError.at(reason=reason)

    def result(self, unique_id: str) -> SequenceResult:
        names = [entry.name for entry in self.learned]
        return SequenceResult(
            session_id=self.state.session_id,
            processor_id=self.state.processor_id,
            observations_processed=self.applied,
            results=tuple(self.results),
            auto_learned_patterns=tuple(names[:-1] if self.final else names),
            final_learned_pattern=self.final,
            stm_length=len(self.state.stm),
            time=self.state.time,
            unique_id=unique_id,
        )


class SequenceProcessor:
    def __init__(
        self, memory: MemoryManager, observations: ObservationProcessor, patterns: PatternProcessor
    ) -> None:
        self._memory = memory
        self._observations = observations
        self._patterns = patterns

    async def apply(
        self,
        plan: SequencePlan,
        items: Sequence[Observation],
        genes: Genes,
        *,
        deadline: Deadline,
    ) -> StoreUnavailableError | None:
        """Plan those of the checked *items* that *plan* does not have yet.

        Returns:
            The failure that ended the sequence early; None if all items are in *plan*.

        Raises:
            StoreUnavailableError: Not even the first of them could be planned.
            InvalidInputError: One of them makes too large a memory, or learns too much.
        """
        first = plan.applied
        for number, item in enumerate(items[first:], first):
            try:
                await self._apply(plan, item, genes, deadline)
            except InvalidInputError as error:
                raise error.inside("observations", number) from error
            except StoreUnavailableError as error:
                if plan.applied == first:
                    raise
                return _interrupted(error, plan.applied)
            # A long sequence must not hold up other requests.
            await asyncio.sleep(0)
        if plan.options.learn_at_end:
            try:
                plan.final = self._learn(plan, genes)
            except InvalidInputError as error:
                raise error.inside("learn_at_end") from error
        return None

    async def _apply(
        self, plan: SequencePlan, item: Observation, genes: Genes, deadline: Deadline
    ) -> None:
        """Plan one item; if a store fails, *plan* stays as it was."""
        clears = plan.options.clear_stm_between and plan.applied > 0
        state = self._memory.cleared(plan.state) if clears else plan.state
        observed = await self._observations.observe(state, item, genes, deadline=deadline)
        plan.state = observed.state
        plan.applied += 1
        if observed.learned is not None:
            plan.add(observed.learned)
        if plan.options.learn_after_each:
            self._learn(plan, genes)
        plan.results.append(observation_result(plan.state, observed, unique_id=""))

    def _learn(self, plan: SequencePlan, genes: Genes) -> str:
        """Learn the STM; with too little in it, nothing is added and it stays.

        Returns:
            The bare digest; '' if nothing was learned.
        """
        learned = self._patterns.learn(plan.state, genes)
        plan.state = learned.state
        if learned.entry is not None:
            plan.add(learned.entry)
        return learned.name


def observation_result(
    state: SessionState, observed: Observed, *, unique_id: str
) -> ObservationResult:
    """The result of an observation after which the session is *state*."""
    return ObservationResult(
        session_id=state.session_id,
        processor_id=state.processor_id,
        stm_length=len(state.stm),
        time=state.time,
        unique_id=unique_id,
        symbols=observed.symbols,
        auto_learned_pattern=observed.learned_name,
        stm_truncated=observed.stm_truncated,
    )


def _interrupted(error: StoreUnavailableError, applied: int) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"{error.message}; the first {applied} observations are applied,"
        " and a repeat with the same unique_id continues after them",
        [{"applied": applied}],
    )
