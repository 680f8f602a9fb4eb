"""The verbs on a session handed in: each plans a change, or answers without one.

It keeps nothing between requests; `SessionManager.change` stores what is planned here.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes, GeneValue
from kato_service.domain.observation import Observation
from kato_service.errors import EmptyStmError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.stores.qdrant_store import QdrantStore
from kato_service.processing import idempotency
from kato_service.processing.limits import ObservationLimits as ObservationLimits
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.observation_processor import ObservationProcessor
from kato_service.processing.pattern_operations import PatternOperations
from kato_service.processing.pattern_processor import TOKEN_BYTES, PatternProcessor
from kato_service.processing.results import (
    ClearResult,
    LearnResult,
    ObservationResult,
    PredictionsResult,
    SequenceResult,
)
from kato_service.processing.sequence import (
    SequenceOptions,
    SequencePlan,
    SequenceProcessor,
    observation_result,
)
from kato_service.processing.vector_processor import VectorProcessor
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.state import Change, Remembered, SessionState


class KatoProcessor:
    def __init__(
        self,
        knowledge: KnowledgeBases,
        searcher: PatternSearcher,
        vectors: QdrantStore | None,
        genes: Genes,
        limits: ObservationLimits,
    ) -> None:
        self._genes = genes
        self._memory = MemoryManager(limits)
        self._vectors = VectorProcessor(knowledge, vectors, limits)
        self.threads = MatchingThreads()
        """For what computes long on behalf of a request."""
        self._patterns = PatternProcessor(knowledge, searcher, self._memory, self.threads)
        self._observations = ObservationProcessor(
            self._memory, self._vectors, self._patterns, limits
        )
        self._sequences = SequenceProcessor(self._memory, self._observations, self._patterns)
        self.patterns = PatternOperations(knowledge)

    def genes(self, state: SessionState) -> Genes:
        """The instance's, with the session's own where it has any."""
        return self._genes.overridden(state.overrides)

    async def observe(
        self,
        state: SessionState,
        observation: Observation,
        *,
        unique_id: str | None,
        deadline: Deadline,
    ) -> Change[ObservationResult]:
        """Observe one event.

        Raises:
            InvalidInputError: The observation is refused; nothing changed.
            StoreUnavailableError: Its vectors were not stored; nothing changed.
        """
        known = idempotency.found(state, "observe", unique_id)
        if known is not None and unique_id is not None:
            return _unchanged(idempotency.observed_again(state, known, unique_id))
        genes, kb = self.genes(state), state.processor_id
        await self._observations.check(kb, (observation,), deadline=deadline)
        observed = await self._observations.observe(state, observation, genes, deadline=deadline)
        result = observation_result(observed.state, observed, unique_id=unique_id or _unique_id())
        after = _remembering(
            observed.state,
            "observe",
            unique_id,
            pattern_name=observed.learned_name or "",
            stm_truncated=observed.stm_truncated,
        )
        entries = (observed.learned,) if observed.learned else ()
        return Change(after, lambda _applied: result, entries)

    async def observe_sequence(
        self,
        state: SessionState,
        observations: Sequence[Observation],
        *,
        options: SequenceOptions,
        unique_id: str | None,
        deadline: Deadline,
    ) -> Change[SequenceResult]:
        """Observe events in order; a request that Qdrant cut goes on where it was cut.

        Raises:
            InvalidInputError: One item is refused; nothing changed.
            StoreUnavailableError: The first item's vectors were not stored; nothing changed.
        """
        known = idempotency.found(state, "observe-sequence", unique_id)
        if known is not None and unique_id is not None and not known.partial:
            return _unchanged(idempotency.sequence_again(state, known, unique_id))
        await self._observations.check(state.processor_id, observations, deadline=deadline)
        plan = SequencePlan(state, options, applied=known.count if known else 0)
        cut = await self._sequences.apply(plan, observations, self.genes(state), deadline=deadline)
        after = _remembering(
            plan.state,
            "observe-sequence",
            unique_id,
            pattern_name=plan.final,
            count=plan.applied,
            partial=cut is not None,
        )
        result = plan.result(unique_id or _unique_id())
        return Change(after, lambda _applied: result, tuple(plan.learned), cut)

    async def learn(
        self, state: SessionState, *, unique_id: str | None, deadline: Deadline
    ) -> Change[LearnResult]:
        """Learn the STM as a pattern.

        Raises:
            EmptyStmError: There is nothing in it.
        """
        known = idempotency.found(state, "learn", unique_id)
        if known is not None and unique_id is not None:
            return _unchanged(idempotency.learned_again(state, known, unique_id))
        if not state.stm:
            raise EmptyStmError("there is nothing to learn: observe something first")
        learned = self._patterns.learn(state, self.genes(state))
        status = "learned" if learned.entry else "insufficient_data"
        result = LearnResult(
            session_id=state.session_id,
            processor_id=state.processor_id,
            status=status,
            pattern_name=learned.name,
            frequency=0,
            unique_id=unique_id or _unique_id(),
        )
        after = _remembering(
            learned.state,
            "learn",
            unique_id,
            status=status,
            pattern_name=learned.name,
            frequency=0,
        )
        if learned.entry is None:
            return Change(after, lambda _applied: result)
        return Change(
            after,
            lambda applied: replace(result, frequency=applied[-1].frequency),
            (learned.entry,),
        )

    async def clear_stm(
        self, state: SessionState, *, unique_id: str | None, deadline: Deadline
    ) -> Change[ClearResult]:
        """Empty STM and pending emotives."""
        known = idempotency.found(state, "clear-stm", unique_id)
        if known is not None and unique_id is not None:
            return _unchanged(idempotency.cleared_again(state, known, unique_id))
        after = _remembering(self._memory.cleared(state), "clear-stm", unique_id)
        result = _cleared(state, unique_id)
        return Change(after, lambda _applied: result)

    async def clear_all(
        self, state: SessionState, *, unique_id: str | None, deadline: Deadline
    ) -> Change[ClearResult]:
        """Empty the session, and drop everything its knowledge base ever learned."""
        known = idempotency.found(state, "clear-all", unique_id)
        if known is not None and unique_id is not None:
            return _unchanged(idempotency.cleared_again(state, known, unique_id))
        after = _remembering(self._memory.cleared_all(state), "clear-all", unique_id)
        result = _cleared(state, unique_id)
        entry = Clear(token=secrets.token_hex(TOKEN_BYTES))
        return Change(after, lambda _applied: result, (entry,))

    async def configure(
        self, state: SessionState, overrides: Mapping[str, GeneValue | None]
    ) -> Change[Genes]:
        """Merge validated genes into the session's own; None returns to the default."""
        merged = {**state.overrides, **overrides}
        kept = {name: value for name, value in merged.items() if value is not None}
        genes = self._genes.overridden(kept)
        return Change(replace(state, overrides=kept), lambda _applied: genes)

    async def predictions(
        self,
        state: SessionState,
        *,
        limit: int | None = None,
        recall_threshold: float | None = None,
        deadline: Deadline,
    ) -> PredictionsResult:
        """Predict from the session's STM; *limit* and *recall_threshold* hold for this once."""
        genes = self.genes(state)
        if limit is not None:
            genes = replace(genes, max_predictions=limit)
        if recall_threshold is not None:
            genes = replace(genes, recall_threshold=recall_threshold)
        return await self._patterns.predictions(state, genes, deadline=deadline)

    async def get_vector(self, kb: str, symbol: str, *, deadline: Deadline) -> tuple[float, ...]:
        """The components of a stored vector, as they were given."""
        return await self._vectors.get(kb, symbol, deadline=deadline)

    async def drop_cleared_vectors(self, kb: str, *, deadline: Deadline) -> None:
        """Drop the vectors that a clear left behind, as far as Qdrant answers now."""
        await self._vectors.sweep(kb, deadline=deadline)


def _unchanged(answer: Any) -> Change[Any]:
    return Change(None, lambda _applied: answer)


def _cleared(state: SessionState, unique_id: str | None) -> ClearResult:
    return ClearResult(state.session_id, state.processor_id, unique_id or _unique_id())


def _remembering(
    state: SessionState, operation: str, unique_id: str | None, **facts: Any
) -> SessionState:
    """*state*, remembering this request by its id if the client gave one."""
    if unique_id is None:
        return state
    request = Remembered(
        key=idempotency.key_of(unique_id),
        operation=operation,
        time=state.time,
        stm_length=len(state.stm),
        **facts,
    )
    return idempotency.remembering(state, request)


def _unique_id() -> str:
    return uuid4().hex
