"""Learning a session's short-term memory, and predicting from it (processor.md §5–7)."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from kato_service.domain.answers.explanation import Surroundings
from kato_service.domain.deadline import Deadline
from kato_service.domain.emotives import learned_emotives
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Emotives, Stm, pattern_name
from kato_service.domain.sizes import emotives_bytes
from kato_service.errors import LimitExceededError
from kato_service.findings import Finding
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.processing.limits import MAX_LEARNED_EMOTIVES_BYTES
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.processing.memory_manager import MemoryManager, stm_after_auto_learn
from kato_service.processing.results import PredictionsResult
from kato_service.search.matching import NO_DETAILS, Details, Found
from kato_service.search.pattern_searcher import PatternSearcher, fewest_symbols, nothing
from kato_service.sessions.state import SessionState

MIN_PATTERN_SYMBOLS = 2
"""Symbols that a pattern has at least; fewer are not learned."""
TOKEN_BYTES = 12
COUNTER_BYTES = 4
"""Of the token of one entry among many."""
_COUNTER = f"0{2 * COUNTER_BYTES}x"


@dataclass(frozen=True, slots=True)
class Learned:
    """A learn that is planned, not yet stored."""

    state: SessionState
    """The session afterwards."""
    entry: Learn | None
    """What is appended to the log; None: there was too little to learn."""

    @property
    def name(self) -> str:
        """Bare digest; '' if nothing is learned."""
        return self.entry.name if self.entry else ""


class PatternProcessor:
    def __init__(
        self,
        knowledge: KnowledgeBases,
        searcher: PatternSearcher,
        memory: MemoryManager,
        threads: MatchingThreads,
    ) -> None:
        self._threads = threads
        self._knowledge = knowledge
        self._searcher = searcher
        self._memory = memory

    def learn(self, state: SessionState, genes: Genes) -> Learned:
        """Learn the STM and empty it; with too little in it, the session stays as it is.

        Raises:
            LimitExceededError: The emotives are too large for one entry of the log.
        """
        if _symbols(state.stm) < MIN_PATTERN_SYMBOLS:
            return Learned(state, None)
        return Learned(self._memory.learned(state), _entry(state, genes))

    def auto_learned(self, state: SessionState, genes: Genes) -> Learned:
        """Learn the STM if it reached ``max_pattern_length``; too few symbols are just dropped.

        Raises:
            LimitExceededError: As for `learn`.
        """
        if not 0 < genes.max_pattern_length <= len(state.stm):
            return Learned(state, None)
        enough = _symbols(state.stm) >= MIN_PATTERN_SYMBOLS
        left = stm_after_auto_learn(state.stm, genes)
        return Learned(self._memory.learned(state, left), _entry(state, genes) if enough else None)

    async def predictions(
        self,
        state: SessionState,
        genes: Genes,
        *,
        details: Details = NO_DETAILS,
        deadline: Deadline,
    ) -> PredictionsResult:
        """Predictions of the session's STM, from everything acknowledged so far.

        Raises:
            StoreUnavailableError: The knowledge log did not answer.
            DeadlineExceededError: *deadline* passed first.
            MatchingBudgetError: Matching takes too long.
            OverloadedError: Too many predictions of this user wait.
        """
        self._threads.require_place(state.processor_id)
        too_short = _symbols(state.stm) < fewest_symbols(genes)
        if too_short and not details.explain:
            return _result(state, genes, nothing(details))
        base = self._knowledge.get(state.processor_id)
        async with AsyncExitStack() as held:
            reading = base.reading(deadline=deadline, may_be_stale=True)
            knowledge = await held.enter_async_context(reading)
            if too_short:
                around = Surroundings(len(knowledge.index))
                found = replace(nothing(details), around=around)
                return _result(state, genes, found, stale=knowledge.stale)
            search = self._searcher.search(knowledge, state.stm, genes, details)
            compute = partial(self._searcher.run, search)
            if search.needs_reading:
                # The search reads the index itself: learns wait until the thread is done.
                run = self._threads.run_to_its_end
            else:
                # The search has a version of its own: learns need not wait for it.
                await held.aclose()
                run = self._threads.run
            found = await run(state.processor_id, compute, deadline)
            return _result(state, genes, found, stale=knowledge.stale)


def new_token() -> str:
    """A random token for an entry of the log, by which a repeated append recognises it."""
    return secrets.token_hex(TOKEN_BYTES)


class Tokens:
    """Tokens for many entries: a random start and a number, which cost a tenth of random bytes."""

    def __init__(self) -> None:
        self._start = secrets.token_hex(TOKEN_BYTES - COUNTER_BYTES)
        self._count = count()

    def next(self) -> str:
        """A token that no other entry has."""
        return f"{self._start}{next(self._count):{_COUNTER}}"


def _result(
    state: SessionState, genes: Genes, found: Found, *, stale: bool = False
) -> PredictionsResult:
    return PredictionsResult(
        predictions=found.predictions,
        future_potentials=found.future_potentials,
        session_id=state.session_id,
        processor_id=state.processor_id,
        time=state.time,
        stm_length=len(state.stm),
        stale=stale,
        kept=found.kept,
        next=found.next,
        around=found.around,
        genes=genes,
        symbols=_symbols(state.stm),
        texts=found.texts,
        listed=len(found.predictions) if found.texts is None else found.listed,
    )


def _entry(state: SessionState, genes: Genes) -> Learn:
    emotives = learned_emotives(state.pending_emotives)
    _require_fitting(emotives or {})
    return Learn(
        token=new_token(),
        name=pattern_name(state.stm),
        events=state.stm,
        emotives=emotives,
        persistence=genes.persistence,
        metadata=state.pending_metadata,
    )


def _require_fitting(emotives: Emotives) -> None:
    if emotives_bytes(emotives) > MAX_LEARNED_EMOTIVES_BYTES:
        reason = (
            f"must have at most {MAX_LEARNED_EMOTIVES_BYTES} bytes when they are learned; use fewer"
            " names, or clear the short-term memory"
        )
        raise LimitExceededError((Finding(("session", "emotives"), reason),))


def _symbols(stm: Stm) -> int:
    return sum(map(len, stm))
