"""The processor: each verb takes a session's state and plans its change, or answers from it.

Nothing here keeps anything of a session between requests; `SessionManager.change` stores what a
verb plans.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes, GeneValue
from kato_service.domain.observation import Observation
from kato_service.domain.shares import Holder
from kato_service.errors import EmptyStmError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.processing import idempotency
from kato_service.processing.idempotency import RequestIdentity
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.line_processor import LineProcessor
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.observation_processor import ObservationProcessor
from kato_service.processing.pattern_operations import PatternOperations
from kato_service.processing.pattern_processor import PatternProcessor, new_token
from kato_service.processing.questions.transient_memory import Transient, TransientMemory
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
from kato_service.processing.symbol_operations import SymbolOperations
from kato_service.processing.vector_processor import VectorProcessor
from kato_service.processing.vectors.vector_lookups import VectorLookups
from kato_service.search.matching import NO_DETAILS, Details
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.state import Change, SessionState

A = TypeVar("A")


class KatoProcessor:
    """One for all sessions and knowledge bases of a process."""

    def __init__(
        self,
        knowledge: KnowledgeBases,
        searcher: PatternSearcher,
        vectors: VectorStore | None,
        genes: Genes,
        limits: ObservationLimits,
        threads: MatchingThreads | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._genes = genes
        self._later_genes = genes.of_later_clients()
        self._memory = MemoryManager(limits)
        self._vectors = VectorProcessor(knowledge, vectors, limits)
        self.vectors = VectorLookups(vectors, self._vectors.check_searched, self._vectors.place)
        self.threads = threads or MatchingThreads()
        """Where long computations of a request run, so that the event loop stays free."""
        self._patterns = PatternProcessor(knowledge, searcher, self._memory, self.threads)
        self._observations = ObservationProcessor(
            self._memory, self._vectors, self._patterns, limits
        )
        self._sequences = SequenceProcessor(self._memory, self._observations, self._patterns)
        self._transient = TransientMemory(self._memory, self._observations, self._vectors)
        self.lines = LineProcessor(self._observations, self._sequences, genes, limits)
        self.patterns = PatternOperations(knowledge)
        self.symbols = SymbolOperations(knowledge, self.threads)

    def genes(self, state: SessionState) -> Genes:
        """The genes in effect: the session's own where it has them, else those of its user's
        configuration, else the instance's."""
        return self._defaults(state).overridden(state.configured).overridden(state.overrides)

    async def observe(
        self,
        state: SessionState,
        observation: Observation,
        *,
        unique_id: str | None,
        caller: Holder | None = None,
        deadline: Deadline,
    ) -> Change[ObservationResult]:
        """Append one event to the STM, and learn it all if that makes it long enough.

        Args:
            caller: Who sends it, for what one caller may hold; None: it counts for nobody.

        Raises:
            InvalidInputError: The observation is refused; nothing changed.
            VectorLimitExceededError: It has the first vectors of its knowledge base, and too many
                others have some; nothing changed.
            StoreUnavailableError: Its vectors were not stored; nothing changed.
        """
        content = idempotency.content_of(observation) if unique_id else b""
        request = RequestIdentity.of("observe", unique_id, content)
        if known := request.earlier(state):
            return _unchanged(idempotency.observed_again(state, known, request.unique_id))
        genes, kb = self.genes(state), state.processor_id
        await self._observations.check(kb, (observation,), caller=caller, deadline=deadline)
        self._prepare(state)
        observed = await self._observations.observe(state, observation, genes, deadline=deadline)
        own = unique_id or idempotency.own_id(observed.state)
        result = observation_result(observed.state, observed, unique_id=own)
        after = request.remembered_in(
            idempotency.with_id_in_percept(observed.state, unique_id),
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
        caller: Holder | None = None,
        deadline: Deadline,
    ) -> Change[SequenceResult]:
        """Observe events in order; the repeat of an interrupted sequence continues where it ended.

        Raises:
            InvalidInputError: One item is refused; nothing changed.
            StoreUnavailableError: The first item's vectors were not stored; nothing changed.
        """
        content = await idempotency.content_of_all(observations, options) if unique_id else b""
        request = RequestIdentity.of("observe-sequence", unique_id, content)
        known = request.earlier(state)
        if known is not None and not known.partial:
            return _unchanged(idempotency.sequence_again(state, known, request.unique_id))
        # All items are checked before the first one is applied: none is refused half-way.
        await self._observations.check(
            state.processor_id,
            observations,
            in_sequence=True,
            caller=caller,
            deadline=deadline,
        )
        self._prepare(state)
        if options.from_empty and known is None:
            state = self._memory.cleared(state)
        plan = SequencePlan(state, options, applied=known.count if known else 0)
        cut = await self._sequences.apply(plan, observations, self.genes(state), deadline=deadline)
        after = request.remembered_in(
            plan.state, pattern_name=plan.final, count=plan.applied, partial=cut is not None
        )
        result = plan.result(request.unique_id)
        return Change(after, lambda _applied: result, tuple(plan.learned), cut)

    async def learn(self, state: SessionState, *, unique_id: str | None) -> Change[LearnResult]:
        """Learn the STM as a pattern and empty it; with a single symbol in it nothing changes.

        Raises:
            EmptyStmError: The STM is empty.
        """
        request = RequestIdentity.of("learn", unique_id)
        if known := request.earlier(state):
            return _unchanged(idempotency.learned_again(state, known, request.unique_id))
        if not state.stm:
            raise EmptyStmError(
                "the short-term memory (STM) is empty; observe something before learning"
            )
        learned = self._patterns.learn(state, self.genes(state))
        status = "learned" if learned.entry else "insufficient_data"
        result = LearnResult(
            session_id=state.session_id,
            processor_id=state.processor_id,
            status=status,
            pattern_name=learned.name,
            frequency=0,
            unique_id=request.unique_id,
        )
        after = request.remembered_in(
            learned.state, status=status, pattern_name=learned.name, frequency=0
        )
        if learned.entry is None:
            return Change(after, lambda _applied: result)
        # The log counts the learns of a pattern, so the frequency is known once it took the entry.
        return Change(
            after,
            lambda applied: replace(result, frequency=applied[-1].frequency),
            (learned.entry,),
        )

    async def clear_stm(self, state: SessionState, *, unique_id: str | None) -> Change[ClearResult]:
        """Empty the STM, pending emotives and pending metadata."""
        request = RequestIdentity.of("clear-stm", unique_id)
        if request.earlier(state):
            return _unchanged(idempotency.cleared_again(state, request.unique_id))
        after = request.remembered_in(self._memory.cleared(state))
        result = ClearResult(state.session_id, state.processor_id, request.unique_id)
        return Change(after, lambda _applied: result)

    async def clear_all(self, state: SessionState, *, unique_id: str | None) -> Change[ClearResult]:
        """Empty the session, and drop everything that its knowledge base ever learned."""
        request = RequestIdentity.of("clear-all", unique_id)
        if request.earlier(state):
            return _unchanged(idempotency.cleared_again(state, request.unique_id))
        after = request.remembered_in(self._memory.cleared_all(state))
        result = ClearResult(state.session_id, state.processor_id, request.unique_id)
        entry = Clear(token=new_token())
        return Change(after, lambda _applied: result, (entry,))

    async def configure(
        self, state: SessionState, overrides: Mapping[str, GeneValue | None]
    ) -> Change[Genes]:
        """Merge validated genes into the session's own; None returns a gene to its default."""
        merged = {**state.overrides, **overrides}
        kept = {name: value for name, value in merged.items() if value is not None}
        after = replace(state, overrides=kept)
        genes = self.genes(after)
        return Change(after, lambda _applied: genes)

    async def predictions(
        self,
        state: SessionState,
        *,
        limit: int | None = None,
        recall_threshold: float | None = None,
        details: Details = NO_DETAILS,
        deadline: Deadline,
    ) -> PredictionsResult:
        """Predictions of the session's STM.

        Args:
            limit: Replaces the gene ``max_predictions`` for this request only.
            recall_threshold: Replaces the gene of that name for this request only.
            details: What the predictions carry in addition.

        Raises:
            StoreUnavailableError: The knowledge log did not answer.
            DeadlineExceededError: *deadline* passed first.
            OverloadedError: Too many predictions wait for a thread.
        """
        genes = self.genes(state)
        if limit is not None:
            genes = replace(genes, max_predictions=limit)
        if recall_threshold is not None:
            genes = replace(genes, recall_threshold=recall_threshold)
        return await self._patterns.predictions(state, genes, details=details, deadline=deadline)

    async def transient(
        self,
        state: SessionState,
        observations: Iterable[Observation],
        *,
        part: str,
        deadline: Deadline,
    ) -> Transient:
        """What *state*, of a session that is stored nowhere, is after *observations*; see
        `TransientMemory.after`."""
        genes = self.genes(state)
        return await self._transient.after(state, observations, genes, part=part, deadline=deadline)

    def _prepare(self, state: SessionState) -> None:
        """Load the knowledge base while the first events are observed, ahead of a prediction."""
        if not state.stm:
            self._knowledge.get(state.processor_id, state.user_id).prepare()

    def _defaults(self, state: SessionState) -> Genes:
        return self._later_genes if state.later else self._genes

    async def run_vectors(self) -> None:
        """What the store of vectors does in the background, until cancelled."""
        await self._vectors.run()

    async def get_vector(self, kb: str, symbol: str, *, deadline: Deadline) -> tuple[float, ...]:
        """The components of a stored vector, as they were sent; raises VectorNotFoundError."""
        return await self._vectors.get(kb, symbol, deadline=deadline)

    async def drop_cleared_vectors(self, kb: str, *, deadline: Deadline) -> None:
        """Drop the vectors that a clear left, as far as Qdrant answers before *deadline*."""
        await self._vectors.sweep(kb, deadline=deadline)


def _unchanged(answer: A) -> Change[A]:
    """No change: the request was applied before, and *answer* repeats its outcome."""
    return Change(None, lambda _applied: answer)
