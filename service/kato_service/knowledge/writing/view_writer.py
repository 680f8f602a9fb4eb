"""Writes the views of one knowledge base from its fold, then its checkpoint (knowledge.md §5)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from uuid import uuid4

from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.model.position import Position, before, goes_through
from kato_service.knowledge.replica.current_fold import CurrentFold

BATCH = 100
"""Patterns per write: no append waits behind more in the same file."""
BATCH_SYMBOLS = 20_000
LEASE_S = 30.0
"""Seconds after which others may begin beside a process that died, or is slow."""
PAGE = 250
"""Names per look into the index where it is gone through as a whole."""


class ViewWriter:
    """Any process may run one, several at once: all writes are guarded by revisions."""

    def __init__(self, kb: str, log: KnowledgeLog, current: CurrentFold) -> None:
        self._kb = kb
        self._log = log
        self._current = current
        self._owner = uuid4().hex

    async def write(self) -> int | None:
        """Let the views show every entry that the fold holds now.

        Appends and reads go on meanwhile. Cancelled or failed anywhere, it can begin anew.

        Returns:
            How many views were written; None where it should be tried again later, because
            somebody else is at it or the fold was not the store's.

        Raises:
            StoreUnavailableError: The store did not answer; the checkpoint is what it was.
        """
        fold = self._current.fold
        if fold is None:
            return 0
        async with self._current.gate.reading():
            goal = _Goal(fold)
        count = None
        try:
            count = await self._written(goal)
        finally:
            if count is None:
                fold.touched.take_back(goal.touched)
        if count is not None and fold.has_garbage and not await self._discarded(fold, goal.cleared):
            return None
        return count

    async def _written(self, goal: "_Goal") -> int | None:
        head = await self._head_of(goal.position)
        if head is None:
            await self._current.check()
            return None
        count: int | None = 0
        if head.checkpoint < goal.position.revision:
            async with self._lease() as is_ours:
                count = await self._raised(goal) if is_ours else None
        if count is not None:
            fold = goal.fold
            fold.checkpoint = max(fold.checkpoint, head.checkpoint, goal.position.revision)
            fold.has_garbage |= goal.cleared > head.cleared
        return count

    async def _raised(self, goal: "_Goal") -> int | None:
        """The views, then the checkpoint. It is not for a store that was restored meanwhile."""
        head = await self._head_of(goal.position)
        count = None if head is None else await self._shown(goal, head.checkpoint)
        if count is None or await self._head_of(goal.position) is None:
            return None
        position = goal.position
        raised = Head(position.incarnation, checkpoint=position.revision, cleared=goal.cleared)
        await self._log.raise_head(self._kb, raised)
        return count

    async def _head_of(self, position: Position) -> Head | None:
        """None where the log does not go through *position*."""
        tail = await self._log.tail(self._kb, before(position), limit=1)
        return tail.head if goes_through(tail, position) else None

    async def _shown(self, goal: "_Goal", behind: int) -> int | None:
        """Every pattern first, then the statistics: a load depends on it."""
        count, fold = 0, goal.fold
        names = _all_names(fold) if goal.touched.all else iter(goal.touched.names)
        while (views := await self._batch(fold, names, behind)) is not None:
            if self._current.fold is not fold:
                return None
            if views:
                await self._log.views.write(self._kb, views)
                count += len(views)
        if goal.touched.all and fold.touched.all:
            return None
        if goal.statistics.revision > behind:
            await self._log.views.write_statistics(self._kb, goal.statistics)
        return count

    async def _batch(
        self, fold: Fold, names: Iterator[str], behind: int
    ) -> list[PatternView] | None:
        """Views, as they are now, of some of the next names; None: there are no more names."""
        async with self._current.gate.reading():
            return await asyncio.to_thread(_some_views, fold, names, behind)

    async def _discarded(self, fold: Fold, cleared: int) -> bool:
        """False where somebody else writes: a server that looks before it deletes would take what
        was written in between."""
        async with self._lease() as is_ours:
            if is_ours:
                while await self._log.views.discard(self._kb, cleared, limit=BATCH) == BATCH:
                    pass
                fold.has_garbage = fold.cleared > cleared
        return is_ours

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[bool]:
        """Whether nobody else writes, or will until the block ends."""
        is_ours = await self._log.claim(self._kb, self._owner, lease_s=LEASE_S)
        try:
            yield is_ours
        finally:
            if is_ours:
                await self._log.release(self._kb, self._owner)


class _Goal:
    """What the views are to show at least, as the fold has it now."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.position = fold.position
        self.cleared = fold.cleared
        self.touched = fold.touched.taken()
        self.statistics = fold.statistics_view()


def _some_views(fold: Fold, names: Iterator[str], behind: int) -> list[PatternView] | None:
    views: list[PatternView] = []
    symbols = looked_at = 0
    for name in names:
        view = fold.known(name)
        if view is not None and view.pattern.revision > behind:
            views.append(view)
            symbols += view.pattern.symbol_count
        looked_at += 1
        if looked_at == BATCH or symbols >= BATCH_SYMBOLS:
            break
    return views if looked_at else None


def _all_names(fold: Fold) -> Iterator[str]:
    """Every pattern's, though the fold goes on: what moves meanwhile is touched anew."""
    first = 0
    while page := list(islice(fold.index.after(first), PAGE)):
        yield from (pattern.name for pattern in page)
        first = page[-1].first
    yield from list(fold.tombstones)
    yield from fold.touched.names
