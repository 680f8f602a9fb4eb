"""Loading a fold: from the views, then from the log after their checkpoint (knowledge.md §5).

Views are written and the log is trimmed while a load reads them, by processes that know nothing of
the load. So a load takes the head first, then the statistics, the patterns and the log, and checks
at the end that every change some view showed is in the log it folded; if not, it starts over.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Applied
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import ViewPage
from kato_service.knowledge.model.position import is_other_history
from kato_service.knowledge.replica.following import OnApplied, apply_run
from kato_service.knowledge.replica.page_sizes import PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.replica.starts import FoldFromSnapshot, FoldFromViews
from kato_service.knowledge.snapshots.snapshots import Snapshots

log = structlog.get_logger()

ATTEMPTS = 8
"""Reads in a row without progress after which a log counts as unreadable."""
PROGRESS_S = 5.0
_AHEAD = (
    "the stored patterns show changes that the log does not hold: restore both from one point in"
    " time"
)


_Start = Fold | FoldFromViews | FoldFromSnapshot
"""What a load continues from with the entries of the log; a fold: from revision 0."""


class FoldLoader:
    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        limits: KnowledgeLimits = DEFAULT_LIMITS,
        snapshots: Snapshots | None = None,
    ) -> None:
        """*snapshots*: where a file may be to start from."""
        self._kb = kb
        self._log = log
        self._new_index = new_index
        self._limits = limits
        self._snapshots = snapshots

    async def load(self, pending: PendingEntries) -> Fold:
        """The fold as the store has it, except perhaps for entries that are being appended.

        Args:
            pending: Those that the load applies, with a known outcome, are completed.

        Raises:
            StoreUnavailableError: The store did not answer, or kept changing during the load.
        """
        reason = "the knowledge log changed while it was loaded"
        for _ in range(ATTEMPTS):
            progress = _Progress(self._kb)
            # The head comes first: whatever is read after it can only be newer than it says.
            head = await self._log.head(self._kb)
            fold, start = await self._start(head, progress)
            if head is not None:
                fold.user, fold.erased = head.user, max(fold.erased, head.erased)
            outcomes: list[Applied] = []
            if await self._fill(fold, start, partial(_collect, pending, outcomes), progress):
                # Not before: an attempt that is given up may have folded another history.
                _complete(pending, outcomes, start)
                progress.ended(fold)
                return fold
            if isinstance(start, FoldFromViews) and not start.is_whole:
                reason = _AHEAD
        raise StoreUnavailableError(reason)

    async def _start(self, head: Head | None, progress: "_Progress") -> tuple[Fold, _Start]:
        """From a snapshot file if there is a usable one, else from the views, else from nothing."""
        if head is not None and self._snapshots is not None:
            restored = await self._snapshots.restored(self._kb, self._log, self._new_fold)
            if restored is not None:
                return restored, FoldFromSnapshot(restored, head)
        fold = self._new_fold()
        fold.incarnation = head.incarnation if head else ""
        if head is None or head.checkpoint == 0:
            return fold, fold  # without a checkpoint the log holds everything
        return fold, await self._from_views(fold, head, progress)

    def _new_fold(self) -> Fold:
        return Fold(self._new_index(), max_dirty=self._limits.dirty_patterns)

    async def _from_views(self, fold: Fold, head: Head, progress: "_Progress") -> FoldFromViews:
        found = FoldFromViews(fold, head)
        found.take_statistics(await self._log.views.statistics(self._kb))
        sizes = PageSizes(self._limits.page_bytes, self._limits)
        page = await self._page("", sizes)
        while page.more:
            progress.at(views=sizes.limit)
            sizes.record(page.encoded.size_bytes)
            # The next page is read while this one is taken: the store and a processor both work.
            _, page = await asyncio.gather(
                asyncio.to_thread(found.take, page), self._page(page.last, sizes)
            )
        await asyncio.to_thread(found.take, page)
        await asyncio.to_thread(found.finish)
        return found

    async def _page(self, after: str, sizes: PageSizes) -> ViewPage:
        return await self._log.views.page(self._kb, after, limit=sizes.limit)

    async def _fill(
        self, fold: Fold, start: _Start, on_applied: OnApplied, progress: "_Progress"
    ) -> bool:
        """Fold the log in, up to its end or to a gap, which a read next to a writer may show.

        Returns:
            False if it was trimmed or replaced meanwhile: start over.
        """
        first = start.revision
        # From one entry earlier: its token is needed to know the position again.
        after = max(0, first - 1)
        sizes = PageSizes(self._limits.page_symbols, self._limits)
        while True:
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.record(tail.symbols)
            if is_other_history(fold.incarnation, first, tail):
                return False
            at_first = after < first == fold.revision
            if at_first and tail.entries and tail.entries[0][0] == first:
                fold.token = tail.entries[0][1].token
            unbroken = await apply_run(start, tail.entries, on_applied)
            progress.at(revision=fold.revision)
            if not unbroken or not tail.more:
                return isinstance(start, Fold) or start.is_whole
            after = start.revision


class _Progress:
    """Logs how far a load is, every few seconds, and how long it took."""

    def __init__(self, kb: str) -> None:
        self._kb = kb
        self._started = self._logged = time.monotonic()
        self._views = 0

    def at(self, *, views: int = 0, revision: int = 0) -> None:
        self._views += views
        now = time.monotonic()
        if now - self._logged > PROGRESS_S:
            self._logged = now
            log.info(
                "knowledge base partly loaded",
                processor_id=self._kb,
                patterns_read=self._views,
                revision=revision,
            )

    def ended(self, fold: Fold) -> None:
        log.info(
            "knowledge base loaded",
            processor_id=self._kb,
            revision=fold.revision,
            checkpoint=fold.checkpoint,
            patterns=len(fold.patterns),
            elapsed_ms=round((time.monotonic() - self._started) * 1000, 1),
        )


def _collect(pending: PendingEntries, outcomes: list[Applied], applied: Applied) -> None:
    if applied.entry.token in pending:
        outcomes.append(applied)


def _complete(pending: PendingEntries, outcomes: Iterable[Applied], start: _Start) -> None:
    # A load from views may have missed views that a clear discarded since. The outcomes of entries
    # before that clear may be wrong, so they are left to the look-up.
    reliable_from = start.fold.cleared if isinstance(start, FoldFromViews) else 0
    for applied in outcomes:
        if applied.revision >= reliable_from:
            pending.complete(applied)
