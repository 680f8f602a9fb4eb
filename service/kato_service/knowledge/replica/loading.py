"""A fold made anew: from the views, then from the log behind their checkpoint (knowledge.md §5)."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import (
    Applied,
    Clear,
    Entry,
    Import,
    Statistics,
    subject,
)
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.model.position import is_other_history
from kato_service.knowledge.replica.following import Note, apply_run
from kato_service.knowledge.replica.page_sizes import PAGE_BYTES, PAGE_SYMBOLS, PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.snapshots.snapshots import Snapshots

log = structlog.get_logger()

ATTEMPTS = 8
"""Reads in a row that brought nothing before a log counts as unreadable."""
PROGRESS_S = 5.0
_AHEAD = (
    "the stored patterns show changes that the log does not hold: restore both from one point in"
    " time"
)


class FoldFromViews:
    """Takes the statistics, then all other views, then the entries behind the checkpoint.

    A view may be ahead of the checkpoint, because its writer was at work while it was read. The
    entries up to its revision then change nothing of its pattern; a pattern that was first learned
    behind the checkpoint appears at that very entry, so that all appear in order. Where the
    statistics are ahead, every pattern is that an import up to there changed.
    """

    def __init__(self, fold: Fold, head: Head) -> None:
        self.fold = fold
        self.fold.revision = self.fold.checkpoint = head.checkpoint
        self.fold.cleared = head.cleared
        self._loader = fold.index.loader()
        self._ahead: dict[str, PatternView] = {}
        self._statistics: StatisticsView | None = None
        self._newest = head.checkpoint
        """The greatest revision of all views."""

    @property
    def revision(self) -> int:
        return self.fold.revision

    @property
    def is_whole(self) -> bool:
        """Whether every entry was applied that some view shows."""
        return self.fold.revision >= self._newest

    def take_statistics(self, view: StatisticsView | None) -> None:
        if view is None:
            return
        if view.revision <= self.fold.cleared:
            self.fold.has_garbage = True
            return
        self._statistics = view
        self._newest = max(self._newest, view.revision)

    def take(self, page: ViewPage) -> None:
        """From a thread; in whatever order."""
        fold = self.fold
        sifted = self._loader.sift(page.encoded, cleared=fold.cleared, checkpoint=fold.checkpoint)
        self._newest = max(self._newest, sifted.newest)
        fold.has_garbage |= sifted.has_garbage
        self._loader.add_extras(page.decode(text).pattern for text in sifted.with_extras)
        self._take(map(page.decode, sifted.left))

    def _take(self, views: Iterable[PatternView]) -> None:
        shown = []
        for view in views:
            self._newest = max(self._newest, view.pattern.revision)
            if view.pattern.revision <= self.fold.cleared:
                self.fold.has_garbage = True
            elif _appears_at(view) > self.fold.checkpoint:
                self._ahead[view.pattern.name] = view
            else:
                shown.append(view)
        self.fold.restore(shown, self._loader)

    def finish(self) -> None:
        """All views were taken; from a thread."""
        self._loader.finish()
        if self._statistics and self._statistics.revision <= self.fold.checkpoint:
            self.fold.restore_statistics(self._statistics)
            self._statistics = None

    def apply(self, revision: int, entry: Entry) -> Applied | None:
        """None where the views show it already: what it did can no longer be told."""
        if isinstance(entry, Clear):
            self._forget_until(revision)
        if revision > self._newest:
            return self.fold.apply(revision, entry)
        is_shown = self._shows(revision, subject(entry))
        if isinstance(entry, Import | Statistics):
            is_shown = self._is_counted(revision, entry, is_shown=is_shown)
        if not is_shown:
            return self.fold.apply(revision, entry)
        self.fold.pass_by(revision, entry)
        if subject(entry) in self._ahead:
            self._restore_due(revision, self._ahead[subject(entry) or ""])
        return None

    def _forget_until(self, cleared: int) -> None:
        ahead = self._ahead.items()
        self._ahead = {name: view for name, view in ahead if view.pattern.revision > cleared}
        if self._statistics and self._statistics.revision < cleared:
            self._statistics = None

    def _shows(self, revision: int, name: str | None) -> bool:
        if name is None:
            return False
        known = self._ahead.get(name) or self.fold.known(name)
        return known is not None and known.pattern.revision >= revision

    def _is_counted(self, revision: int, entry: Import | Statistics, *, is_shown: bool) -> bool:
        """Whether nothing is left to do for a part of an import, once it is counted here."""
        if self._statistics is None:
            if is_shown:
                self.fold.admit(revision, entry)
            return is_shown
        if self._statistics.revision == revision:
            self.fold.restore_statistics(self._statistics)
            self._statistics = None
        return True

    def _restore_due(self, revision: int, view: PatternView) -> None:
        if _appears_at(view) == revision:
            self.fold.restore_late(self._ahead.pop(view.pattern.name))


class FoldFromSnapshot:
    """Takes the entries behind the checkpoint: those that the snapshot has are only noted, since
    no view may show them yet."""

    def __init__(self, fold: Fold, head: Head) -> None:
        self.fold = fold
        self.fold.checkpoint = head.checkpoint
        self.revision = min(head.checkpoint, fold.revision)
        self._has = fold.revision

    @property
    def is_whole(self) -> bool:
        return self.revision >= self._has

    def apply(self, revision: int, entry: Entry) -> Applied | None:
        self.revision = revision
        if revision > self._has:
            return self.fold.apply(revision, entry)
        self.fold.touched.note(entry)
        return None


_Beginning = Fold | FoldFromViews | FoldFromSnapshot
"""What a load goes on from with the entries of the log."""


class FoldLoader:
    def __init__(self, kb: str, log: KnowledgeLog, new_index: Callable[[], PatternIndex]) -> None:
        self.snapshots: Snapshots | None = None
        """Where a file may be to start from."""
        self._kb = kb
        self._log = log
        self._new_index = new_index

    async def load(self, wanted: PendingEntries) -> Fold:
        """The fold as the store has it, but perhaps for entries that others append just now.

        Args:
            wanted: Told what those among them did that were applied meanwhile.

        Raises:
            StoreUnavailableError: The store did not answer, or changed again and again.
        """
        reason = "the knowledge log changed while it was loaded"
        for _ in range(ATTEMPTS):
            progress = _Progress(self._kb)
            head = await self._log.head(self._kb)
            fold = await self._restored(head)
            if fold is not None and head is not None:
                folding: _Beginning = FoldFromSnapshot(fold, head)
            else:
                fold = Fold(self._new_index(), incarnation=head.incarnation if head else "")
                folding = await self._from_views(fold, head, progress)
            told: list[Applied] = []
            if await self._fill(fold, folding, partial(_kept_if, wanted, told), progress):
                _tell(folding, told, wanted)
                progress.ended(fold)
                return fold
            if isinstance(folding, FoldFromViews) and not folding.is_whole:
                reason = _AHEAD
        raise StoreUnavailableError(reason)

    async def _restored(self, head: Head | None) -> Fold | None:
        if self.snapshots is None or head is None:
            return None
        return await self.snapshots.restored(self._kb, self._log, self._new_index)

    async def _from_views(self, fold: Fold, head: Head | None, progress: "_Progress") -> _Beginning:
        """Without a checkpoint the log tells everything."""
        if head is None or head.checkpoint == 0:
            return fold
        found = FoldFromViews(fold, head)
        found.take_statistics(await self._log.views.statistics(self._kb))
        sizes = PageSizes(PAGE_BYTES)
        page = await self._page("", sizes)
        while page.more:
            progress.at(views=sizes.limit)
            sizes.had(page.encoded.size_bytes)
            _, page = await asyncio.gather(
                asyncio.to_thread(found.take, page), self._page(page.last, sizes)
            )
        await asyncio.to_thread(found.take, page)
        await asyncio.to_thread(found.finish)
        return found

    async def _page(self, after: str, sizes: PageSizes) -> ViewPage:
        """To be read while the page before is taken."""
        return await self._log.views.page(self._kb, after, limit=sizes.limit)

    async def _fill(
        self, fold: Fold, folding: _Beginning, note: Note, progress: "_Progress"
    ) -> bool:
        """Fold the log in, up to a gap that a read beside a writer may show.

        Returns:
            False where it was trimmed or replaced meanwhile: start over.
        """
        start = folding.revision
        after = max(0, start - 1)
        sizes = PageSizes(PAGE_SYMBOLS)
        while True:
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.had(tail.symbols)
            if is_other_history(fold.incarnation, start, tail):
                return False
            at_start = after < start == fold.revision
            if at_start and tail.entries and tail.entries[0][0] == start:
                fold.token = tail.entries[0][1].token
            unbroken = await apply_run(folding, tail.entries, note)
            progress.at(revision=fold.revision)
            if not unbroken or not tail.more:
                return isinstance(folding, Fold) or folding.is_whole
            after = folding.revision


class _Progress:
    def __init__(self, kb: str) -> None:
        self._kb = kb
        self._started = self._told = time.monotonic()
        self._views = 0

    def at(self, *, views: int = 0, revision: int = 0) -> None:
        self._views += views
        now = time.monotonic()
        if now - self._told > PROGRESS_S:
            self._told = now
            log.info(
                "knowledge base loads",
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


def _kept_if(wanted: PendingEntries, told: list[Applied], applied: Applied) -> None:
    if applied.entry.token in wanted:
        told.append(applied)


def _tell(folding: _Beginning, told: Iterable[Applied], wanted: PendingEntries) -> None:
    """Views of what was cleared since may have been missing, so nothing from before is told."""
    reliable_from = folding.fold.cleared if isinstance(folding, FoldFromViews) else 0
    for applied in told:
        if applied.revision >= reliable_from:
            wanted.note(applied)


def _appears_at(view: PatternView) -> int:
    """The entry at which a fold may take it over: a tombstone's delete, else the first learn."""
    return view.pattern.revision if view.deleted else view.pattern.first
