"""Writes the views of one knowledge base from its fold, then its checkpoint (knowledge.md §5).

The order is what makes it safe without transactions: views of patterns, then the statistics, then
the checkpoint. Whoever loads knows that the views show at least everything up to the checkpoint,
wherever a writer stopped. Every write is guarded by a revision, so that several writers, and late
ones, can only bring views forward.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.log import Figures, Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.model.position import Position, before, goes_through
from kato_service.knowledge.replica.current_fold import CurrentFold

SORTED_NAMES = 5000
"""Names that are sorted at once: some milliseconds, in which no other thread computes."""


class ViewWriter:
    """Any process may run one, several at once: the lease only saves double work."""

    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        current: CurrentFold,
        limits: KnowledgeLimits = DEFAULT_LIMITS,
    ) -> None:
        self._kb = kb
        self._log = log
        self._current = current
        self._limits = limits
        self._owner = uuid4().hex

    async def write(self) -> int | None:
        """Make the views show every entry that the fold holds now.

        Appends and reads continue meanwhile. Cancelled or failed anywhere, it can start over.

        Returns:
            Number of views written; None: try again later, because another process is writing or
            the fold was not the store's.

        Raises:
            StoreUnavailableError: The store did not answer; the checkpoint is unchanged.
        """
        fold = self._current.fold
        if fold is None:
            return 0
        async with self._current.lock.reading():
            goal = _Goal(fold)
        count = None
        try:
            count = await self._write(goal)
        finally:
            if count is None:
                fold.dirty.put_back(goal.dirty)
        if count is None or not fold.has_garbage:
            return count
        return count if await self._discard_garbage(fold, goal.cleared) else None

    async def _write(self, goal: "_Goal") -> int | None:
        head = await self._head_at(goal.position)
        if head is None:
            await self._current.check()
            return None
        count: int | None = 0
        if head.checkpoint < goal.position.revision:
            async with self._lease() as is_ours:
                count = await self._write_and_raise(goal) if is_ours else None
        if count is not None:
            fold = goal.fold
            fold.checkpoint = max(fold.checkpoint, head.checkpoint, goal.position.revision)
            fold.has_garbage |= goal.cleared > head.cleared
        return count

    async def _write_and_raise(self, goal: "_Goal") -> int | None:
        """Write the views, then raise the checkpoint."""
        # The head is read again under the lease: another writer may just have finished.
        head = await self._head_at(goal.position)
        count = None if head is None else await self._write_views(goal, head.checkpoint)
        # A store that was restored from a backup meanwhile lost some of the views. It must not
        # get a checkpoint that claims them.
        if count is None or await self._head_at(goal.position) is None:
            return None
        assert head is not None
        await self._log.raise_head(self._kb, await self._raised(goal, head))
        return count

    async def _raised(self, goal: "_Goal", head: Head) -> Head:
        """The head to write, with figures as of its checkpoint."""
        known, position = head.figures, goal.position
        after = 0 if known is None else min(known.revision, head.checkpoint)
        learned_at = await self._log.learned_at(self._kb, after, position.revision)
        if learned_at is None and known is not None:
            learned_at = known.learned_at
        return Head(
            position.incarnation,
            checkpoint=position.revision,
            cleared=goal.cleared,
            figures=Figures(position.revision, datetime.now(UTC), *goal.sizes, learned_at),
        )

    async def _head_at(self, position: Position) -> Head | None:
        """The head of the log; None if that log does not contain *position*."""
        tail = await self._log.tail(self._kb, before(position), limit=1)
        return tail.head if goes_through(tail, position) else None

    async def _write_views(self, goal: "_Goal", checkpoint: int) -> int | None:
        """Write the views that are newer than *checkpoint*; statistics last: loads depend on it."""
        count, fold = 0, goal.fold
        names = self._all_names(fold) if goal.dirty.all else _sorted_in_part(goal.dirty.names)
        while (views := await self._next_batch(fold, names, checkpoint)) is not None:
            if self._current.fold is not fold:
                return None
            if views:
                await self._log.views.write(self._kb, views)
                count += len(views)
        # More patterns changed during the walk than are listed: it may have missed some of them.
        if goal.dirty.all and fold.dirty.all:
            return None
        if goal.statistics.revision > checkpoint:
            await self._log.views.write_statistics(self._kb, goal.statistics)
        return count

    async def _next_batch(
        self, fold: Fold, names: Iterator[str], checkpoint: int
    ) -> list[PatternView] | None:
        """Current views of some of the next names; None: there are no more names."""
        # One batch per lock, so that appends get in between; in a thread, since it computes.
        async with self._current.lock.reading():
            return await asyncio.to_thread(
                _newer_views, fold, names, checkpoint, limits=self._limits
            )

    async def _discard_garbage(self, fold: Fold, cleared: int) -> bool:
        """Drop views from before the clear; False if another process is writing."""
        # Under the lease: a server that looks before it deletes would drop what another writer
        # put in between.
        batch = self._limits.view_batch
        async with self._lease() as is_ours:
            if is_ours:
                while await self._log.views.discard(self._kb, cleared, limit=batch) == batch:
                    pass
                fold.has_garbage = fold.cleared > cleared
        return is_ours

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[bool]:
        """Whether no other process writes, or will until the block ends."""
        is_ours = await self._log.claim(self._kb, self._owner, lease_s=self._limits.lease_s)
        try:
            yield is_ours
        finally:
            if is_ours:
                await self._log.release(self._kb, self._owner)

    def _all_names(self, fold: Fold) -> Iterator[str]:
        """The names of all patterns, although the fold changes during the walk: whatever moves
        meanwhile becomes dirty, and those come last."""
        first = 0
        while page := list(islice(fold.index.after(first), self._limits.view_scan)):
            yield from (pattern.name for pattern in page)
            first = page[-1].first
        yield from list(fold.tombstones)
        yield from fold.dirty.names


class _Goal:
    """What the views are to show at least: the fold as it is now."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.position = fold.position
        self.cleared = fold.cleared
        self.dirty = fold.dirty.take()
        self.statistics = fold.statistics_view()
        counted = fold.statistics
        self.sizes = (len(fold.patterns), counted.distinct_symbols, counted.total_learns)
        """Patterns, different symbols, learns."""


def _sorted_in_part(names: Sequence[str]) -> Iterator[str]:
    """*names*, thousands at a time in the order in which a store keeps their views: those that are
    written together then share pages of its file."""
    for start in range(0, len(names), SORTED_NAMES):
        yield from sorted(names[start : start + SORTED_NAMES])


def _newer_views(
    fold: Fold, names: Iterator[str], checkpoint: int, *, limits: KnowledgeLimits
) -> list[PatternView] | None:
    """Views of the next names, without those that the checkpoint vouches for; None: no names."""
    views: list[PatternView] = []
    symbols = looked_at = 0
    for name in names:
        view = fold.known(name)
        if view is not None and view.pattern.revision > checkpoint:
            views.append(view)
            symbols += view.pattern.symbol_count
        looked_at += 1
        if looked_at == limits.view_batch or symbols >= limits.view_batch_symbols:
            break
    return views if looked_at else None
