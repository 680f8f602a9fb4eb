"""One knowledge base: the fold of its log, always fresh, and the way new entries get in."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.model.entries import Applied, Entry
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.pending_entries import PendingEntries, PendingEntry
from kato_service.knowledge.replica.single_flight import SingleFlight
from kato_service.knowledge.residency import Residency
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.writing.log_writer import LogWriter
from kato_service.knowledge.writing.view_writer import ViewWriter

_NOT_READY = "the knowledge base was not ready in time"
EMPTY_BYTES = 10_240
"""Of a knowledge base without patterns, measured: its objects and an empty index."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    stale_s: float = 0.0
    """How old a state may be that is shown while the log does not answer."""
    append_s: float = inf
    """How long an append is tried: what it put in may be trimmed after twice that."""
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    """Goes on while a machine sleeps."""


class SuperKnowledgeBase:
    def __init__(
        self,
        processor_id: str,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        memory: Residency,
        limits: TimeLimits,
        lagging: Callable[[str, int], None],
    ) -> None:
        """*lagging* is told its id and how many entries its views do not show."""
        self.id = processor_id
        self._memory = memory
        self._limits = limits
        self._uses = 0
        ended = partial(memory.ended, processor_id)  # no method of its own: a cycle would linger
        self._wanted = PendingEntries()
        self._current = CurrentFold(
            processor_id, log, new_index, self._wanted, partial(lagging, processor_id)
        )
        self._views = ViewWriter(processor_id, log, self._current)
        self._writer = LogWriter(processor_id, log, self._current, self._wanted, ended)
        self._writer.abandon_after(limits.append_s, limits.wall)
        self._lookup = SingleFlight(self._current.catch_up, ended=ended, clock=limits.clock)

    def start_from(self, snapshots: Snapshots | None) -> None:
        """Load from its file there, where the store agrees with it."""
        self._current.start_from(snapshots)

    @property
    def pattern_count(self) -> int | None:
        """Patterns in memory; None: not loaded."""
        fold = self._current.fold
        return None if fold is None else len(fold.patterns)

    @property
    def in_use(self) -> bool:
        """Whether its fold is needed: by a request, an entry, a look-up or the writer."""
        return bool(self._uses or self._wanted or self._writer.busy or self._lookup.busy)

    @property
    def memory_bytes(self) -> int:
        """Estimated in an instant."""
        fold = self._current.fold
        return EMPTY_BYTES + (0 if fold is None else fold.memory_bytes)

    def unload(self) -> None:
        """Take it out of memory; the next use loads it from the log again."""
        self._current.unload()

    @property
    def checkpoint_lag(self) -> int:
        """Entries that its views do not show, as far as is known; 0: not loaded."""
        return self._current.lag

    async def materialise(self) -> int | None:
        """Bring its views up to date, if it is in memory.

        Returns:
            How many were written; None: to be tried again later.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        if self._current.fold is None:
            return 0
        with self._upkeep():
            return await self._views.write()

    async def check(self) -> None:
        """Load it anew, if it is in memory and the store went back to an older backup.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        if self._current.fold is not None:
            with self._upkeep():
                await self._current.check()

    async def save_snapshot(self, *, at_the_end: bool = False) -> None:
        """Write its snapshot file, if it is in memory and the file is due."""
        if self._current.fold is not None:
            with self._upkeep():
                await self._current.save_snapshot(at_the_end=at_the_end)

    async def tail(self, *, deadline: Deadline) -> int:
        """The log's last revision: no entry made from now on is at or below it.

        Raises:
            OverloadedError: So much waits for the log that no entry may be made now.
            StoreUnavailableError: The log did not answer.
            DeadlineExceededError: Not before *deadline*.
        """
        self._wanted.require_room()
        with self._use():
            async with within(deadline, _NOT_READY):
                await self._lookup.ask()
            return self._current.revision

    @contextmanager
    def register(self, entries: Iterable[Entry], *, since: int) -> Iterator[None]:
        """From here on, whatever shows one of *entries* in the log completes its `append`.

        To be held from before their intent is stored until after the append.

        Args:
            since: A revision behind which they can only be.
        """
        with self._use(), self._held(entries, since):
            yield

    async def append(
        self, entries: Sequence[Entry], *, since: int, lookup: bool = False
    ) -> tuple[Applied, ...]:
        """Put *entries* into the log, each once; they are durable and in the fold afterwards.

        Not to be called while holding `reading`. Cancelling it cancels none of the entries.

        Args:
            since: A revision behind which they can only be.
            lookup: They may be in the log already (an intent that somebody else began).

        Raises:
            OutcomeUnknownError: Some may be in, or may still come in.
            StoreUnavailableError: None is in.
        """
        with self._use(), self._held(entries, since) as held:
            for wanted in held:
                wanted.needs_lookup |= lookup
            await self._writer.append(held)
            return tuple(wanted.applied for wanted in held if wanted.applied is not None)

    @asynccontextmanager
    async def reading(
        self, *, deadline: Deadline, may_be_stale: bool = False
    ) -> AsyncIterator[KnowledgeReading]:
        """The knowledge with every acknowledged entry of any replica; unchanged while held.

        Args:
            may_be_stale: While the log does not answer, an older state will do, if it is not older
                than staleness is allowed.

        Raises:
            StoreUnavailableError: The log did not answer, and staleness is not allowed.
            DeadlineExceededError: Not before *deadline*.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._use())
            async with within(deadline, _NOT_READY):
                stale = await self._freshened(may_be_stale=may_be_stale)
                await stack.enter_async_context(self._current.gate.reading())
            fold = await self._current.loaded()
            yield fold.view(stale=stale)

    async def close(self) -> None:
        await self._lookup.close()
        await self._writer.close()

    async def _freshened(self, *, may_be_stale: bool) -> bool:
        """Whether it failed, where an older state will do."""
        try:
            await self._lookup.ask()
        except StoreUnavailableError:
            age_s = self._limits.clock() - self._lookup.fresh_at
            usable = may_be_stale and age_s <= self._limits.stale_s
            if self._current.fold is None or not usable:
                raise
            return True
        return False

    @contextmanager
    def _use(self) -> Iterator[None]:
        """Not unloaded meanwhile."""
        self._memory.began(self)
        with self._kept(self._memory.ended):
            yield

    def _upkeep(self) -> AbstractContextManager[None]:
        """Not unloaded meanwhile, afterwards as soon as without this."""
        return self._kept(self._memory.looked_after)

    @contextmanager
    def _kept(self, then: Callable[[str], None]) -> Iterator[None]:
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            then(self.id)

    @contextmanager
    def _held(self, entries: Iterable[Entry], since: int) -> Iterator[list[PendingEntry]]:
        held = self._wanted.hold(entries, since=since)
        try:
            yield held
        finally:
            self._wanted.release(held)
