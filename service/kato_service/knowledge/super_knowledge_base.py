"""One knowledge base: reads that are always fresh, and appends that happen exactly once."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import KatoError, StoreUnavailableError
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Entry, Learn, subject
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.model.reading import KnowledgeReading
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.loading import FoldLoader
from kato_service.knowledge.replica.pending_entries import PendingEntries, PendingEntry
from kato_service.knowledge.replica.single_flight import SingleFlight
from kato_service.knowledge.residency import Residency
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.writing.log_writer import LogWriter
from kato_service.knowledge.writing.view_writer import ViewWriter

_NOT_READY = "the knowledge base was not ready in time"
EMPTY_BYTES = 10_240
"""Measured size of a knowledge base without patterns: its objects and an empty index."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What the knowledge bases of one process have in common."""

    log: KnowledgeLog
    new_index: Callable[[], PatternIndex]
    residency: Residency
    limits: KnowledgeLimits
    on_lag: Callable[[str, int], None]
    """Called with an id and how many entries the views of that knowledge base do not show."""
    snapshots: Snapshots | None = None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    """Seconds that also pass while the machine sleeps: the age of an append depends on them."""


class SuperKnowledgeBase:
    def __init__(self, processor_id: str, shared: SharedParts) -> None:
        self.id = processor_id
        self._limits, self._clock = shared.limits, shared.clock
        self._residency, self._snapshots = shared.residency, shared.snapshots
        self._uses = 0
        # A bound method of this object would make a cycle, which would keep an unloaded knowledge
        # base in memory until the garbage collector runs.
        on_idle = partial(shared.residency.use_ended, processor_id)
        self._pending = PendingEntries(shared.limits, wall=shared.wall)
        self._current = CurrentFold(
            processor_id,
            shared.log,
            FoldLoader(processor_id, shared.log, shared.new_index, shared.limits, shared.snapshots),
            self._pending,
            shared.limits,
            partial(shared.on_lag, processor_id),
        )
        self._views = ViewWriter(processor_id, shared.log, self._current, shared.limits)
        self._writer = LogWriter(
            processor_id, shared.log, self._current, self._pending, shared.limits, on_idle
        )
        self._lookup = SingleFlight(self._current.catch_up, on_done=on_idle, clock=shared.clock)

    @property
    def pattern_count(self) -> int | None:
        """Patterns in memory; None: not loaded."""
        fold = self._current.fold
        return None if fold is None else len(fold.patterns)

    @property
    def in_use(self) -> bool:
        """Whether its fold is needed: by a request, an entry, a look-up or the writer."""
        return bool(self._uses or self._pending or self._writer.busy or self._lookup.busy)

    @property
    def memory_bytes(self) -> int:
        """Estimate, in constant time."""
        fold = self._current.fold
        return EMPTY_BYTES + (0 if fold is None else fold.memory_bytes)

    @property
    def is_blank(self) -> bool:
        """Whether no entry of its log is in memory, as a rule because it has none."""
        return self._current.revision == 0

    @property
    def loaded_bytes(self) -> int | None:
        """Estimated size in memory; None: not loaded."""
        return None if self._current.fold is None else self.memory_bytes

    def belongs_to(self, user: str) -> None:
        """Say whose it is; the next entry notes it in the log."""
        self._current.user = user

    def prepare(self) -> None:
        """Begin to load it if it is not in memory and there is room; waits for nothing. If the
        store does not answer, the first use tries again."""
        if self._current.fold is None and not self._lookup.busy and self._residency.has_room:
            self._residency.use_started(self)
            self._lookup.begin()

    def unload(self) -> None:
        """Take it out of memory; the next use loads it from the store again."""
        self._current.unload()

    @property
    def checkpoint_lag(self) -> int:
        """Entries that its views do not show, as far as this process knows; 0: not loaded."""
        return self._current.lag

    async def materialise(self) -> int | None:
        """Bring its views up to date, if it is loaded.

        Returns:
            Number of views written; None: try again later.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        if self._current.fold is None:
            return 0
        with self._upkeep():
            return await self._views.write()

    async def check(self) -> None:
        """Reload it, if it is loaded and the store went back to an older backup.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        if self._current.fold is not None:
            with self._upkeep():
                await self._current.check()

    async def save_snapshot(self, *, at_the_end: bool = False) -> None:
        """Write its snapshot file, if it is loaded and the file is due.

        Args:
            at_the_end: The process ends: any change makes the file due.
        """
        fold, snapshots = self._current.fold, self._snapshots
        if fold is None or snapshots is None:
            return
        with self._upkeep():
            if not snapshots.is_due(self.id, fold, at_the_end=at_the_end):
                return
            # Only the capture needs the fold to stand still; it is written while others change it.
            async with self._current.lock.reading():
                captured = snapshots.capture(self.id, fold)
            if captured is not None:
                await snapshots.save(captured)

    async def tail(self, *, deadline: Deadline) -> int:
        """The log's last revision: entries appended from now on have greater ones. The log is
        created if it is missing, so that an erasure knows what was planned before it.

        Raises:
            OverloadedError: Too many entries wait for the log, so no new one is accepted.
            StoreUnavailableError: The log did not answer.
            DeadlineExceededError: It did not answer before *deadline*.
        """
        self._pending.require_room()
        return await self.open(deadline=deadline)

    async def open(self, *, deadline: Deadline) -> int:
        """Create its log, unless it has one; gives the log's last revision.

        Raises:
            StoreUnavailableError: The log did not answer.
            DeadlineExceededError: It did not answer before *deadline*.
        """
        with self._use():
            async with within(deadline, _NOT_READY):
                await self._lookup.ask()
                fold = await self._current.loaded()
                if not fold.incarnation:
                    fold = await self._current.created(fold)
            return fold.revision

    @contextmanager
    def register(self, entries: Iterable[Entry], *, since: int) -> Iterator[None]:
        """While this is held, any read that shows one of *entries* in the log completes its
        `append`.

        Hold it from before the entries' intent is stored until after the append, so that nobody
        who completes the intent meanwhile can make this process append them twice.

        Args:
            since: A revision that all of them come after.
        """
        with self._use(), self._held(entries, since):
            yield

    async def append(
        self, entries: Sequence[Entry], *, since: int, lookup: bool = False
    ) -> tuple[Applied, ...]:
        """Put *entries* into the log, each exactly once; they are durable and in the fold then.

        Must not be called while holding `reading`. Cancelling it cancels none of the entries.

        Args:
            since: A revision that all of them come after.
            lookup: They may be in the log already, because this completes an intent that another
                request began.

        Raises:
            OutcomeUnknownError: Some of them may be in, or may still come in.
            StoreUnavailableError: None of them is in.
        """
        with self._use(), self._held(entries, since) as held:
            for pending in held:
                pending.needs_lookup |= lookup
            await self._writer.append(held)
            return tuple(pending.applied for pending in held if pending.applied is not None)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep it loaded while this is held."""
        with self._use():
            yield

    async def prepare_many(self, *, named: bool) -> None:
        """Wait until many entries may be sent: the knowledge base is loaded and has room.

        Args:
            named: Some of them are named, so the log is asked for the names it holds.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        fold = await self._current.loaded()
        if named:
            await self._writer.named.complete(fold)
        await self._pending.room()

    async def append_each(self, entries: Sequence[Learn]) -> list[Applied | KatoError]:
        """Put *entries* into the log, each exactly once, and give the outcome of each, in order.

        One whose name the log has, and the same content, is a repeat and changes nothing. Call it
        after `prepare_many`, while `kept` is held; entries of later calls come after those of
        earlier ones. Cancelling it cancels none of the entries.
        """
        since, seen = self._current.revision, set[str]()
        is_new = [self._is_first(entry.token, seen) for entry in entries]
        with self._use(), self._held(entries, since, gives_way=True) as held:
            await self._writer.settle(held)
            return [_outcome(*each) for each in zip(held, entries, is_new, strict=True)]

    def _is_first(self, token: str, seen: set[str]) -> bool:
        """Whether no entry of that token is on its way into the log, or in *seen*."""
        is_first = token not in self._pending and token not in seen
        seen.add(token)
        return is_first

    @asynccontextmanager
    async def reading(
        self, *, deadline: Deadline, may_be_stale: bool = False
    ) -> AsyncIterator[KnowledgeReading]:
        """The knowledge with every acknowledged entry of any replica; unchanged while held.

        Args:
            may_be_stale: While the log does not answer, an older state will do, up to the age
                that `KnowledgeLimits.max_staleness_s` allows.

        Raises:
            StoreUnavailableError: The log did not answer, and no allowed older state is loaded.
            DeadlineExceededError: It was not ready before *deadline*.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._use())
            async with within(deadline, _NOT_READY):
                stale = await self._freshened(may_be_stale=may_be_stale)
                await stack.enter_async_context(self._current.lock.reading())
            fold = await self._current.loaded()
            yield fold.reading(stale=stale)

    async def close(self) -> None:
        await self._lookup.close()
        await self._writer.close()

    async def _freshened(self, *, may_be_stale: bool) -> bool:
        """Catch up with the log; gives whether that failed and an older state is used instead."""
        try:
            await self._lookup.ask()
        except StoreUnavailableError:
            age_s = self._clock() - self._lookup.fresh_at
            usable = may_be_stale and age_s <= self._limits.max_staleness_s
            if self._current.fold is None or not usable:
                raise
            return True
        return False

    @contextmanager
    def _use(self) -> Iterator[None]:
        """Keep it loaded, and make it the most recently used one."""
        self._residency.use_started(self)
        with self._kept(self._residency.use_ended):
            yield

    def _upkeep(self) -> AbstractContextManager[None]:
        """Keep it loaded, without counting as a use: it is unloaded as soon as otherwise."""
        return self._kept(self._residency.upkeep_ended)

    @contextmanager
    def _kept(self, on_end: Callable[[str], None]) -> Iterator[None]:
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            on_end(self.id)

    @contextmanager
    def _held(
        self, entries: Iterable[Entry], since: int, *, gives_way: bool = False
    ) -> Iterator[list[PendingEntry]]:
        held = self._pending.hold(entries, since=since, gives_way=gives_way)
        try:
            yield held
        finally:
            self._pending.release(held)


def _outcome(pending: PendingEntry, entry: Learn, is_new: bool) -> Applied | KatoError:
    """What became of *entry*; of one that is not new, a repeat of what *pending* learns."""
    if (applied := pending.applied) is not None:
        if is_new and (pending.is_own or pending.name is None):
            return applied
        if subject(pending.entry) != entry.name:
            return applied._replace(met=False, frequency=None, is_known=False)
        return applied._replace(met=False)
    if isinstance(pending.error, KatoError):
        return pending.error
    assert pending.error is not None
    raise pending.error
