"""What a load starts from, and which entries of the log change it: views, or a snapshot file."""

from collections.abc import Iterable

from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Applied, Clear, Entry, Import, Statistics, subject
from kato_service.knowledge.model.log import Head
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage


class FoldFromViews:
    """Takes the statistics, then all other views, then the entries after the checkpoint.

    A view may be ahead of the checkpoint, because its writer was at work while it was read. The
    entries up to its revision then change nothing of its pattern. A pattern that was first learned
    after the checkpoint is put into the index at that very entry, so that patterns get in by order
    of their first learns. Where the statistics are ahead, all patterns that imports up to there
    changed are ahead, too: statistics are written last and read first.
    """

    def __init__(self, fold: Fold, head: Head) -> None:
        self.fold = fold
        self.fold.revision = self.fold.checkpoint = head.checkpoint
        self.fold.cleared = head.cleared
        self._loader = fold.index.loader()
        self._ahead: dict[str, PatternView] = {}
        """By name, views of patterns that get into the index at an entry after the checkpoint."""
        self._statistics: StatisticsView | None = None
        """Until they are in the fold."""
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
        if view.revision < self.fold.cleared:
            self.fold.has_garbage = True
            return
        self._statistics = view
        self._newest = max(self._newest, view.revision)

    def take(self, page: ViewPage) -> None:
        """Take one page, in whatever order. Computes: call it from a thread."""
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
        """Build the index, once all views were taken. Computes: call it from a thread."""
        self._loader.finish()
        if self._statistics and self._statistics.revision <= self.fold.checkpoint:
            self.fold.restore_statistics(self._statistics)
            self._statistics = None

    def apply(self, revision: int, entry: Entry) -> Applied | None:
        """Fold *entry* in, unless the views show it.

        Returns:
            None if they do: what the entry did is no longer known.
        """
        if isinstance(entry, Clear):
            self._forget_until(revision)
        if revision > self._newest:
            return self.fold.apply(revision, entry)
        is_shown = self._shows(revision, subject(entry))
        if isinstance(entry, Import | Statistics):
            is_shown = self._is_counted(revision, entry, is_shown=is_shown)
        if not is_shown:
            return self.fold.apply(revision, entry)
        self.fold.skip(revision, entry)
        if subject(entry) in self._ahead:
            self._restore_due(revision, self._ahead[subject(entry) or ""])
        return None

    def _forget_until(self, cleared: int) -> None:
        ahead = self._ahead.items()
        self._ahead = {name: view for name, view in ahead if view.pattern.revision > cleared}
        # Those at the clear itself hold what applying it leaves.
        if self._statistics and self._statistics.revision <= cleared:
            self._statistics = None

    def _shows(self, revision: int, name: str | None) -> bool:
        if name is None:
            return False
        known = self._ahead.get(name) or self.fold.known(name)
        return known is not None and known.pattern.revision >= revision

    def _is_counted(self, revision: int, entry: Import | Statistics, *, is_shown: bool) -> bool:
        """Whether nothing remains to be done for a part of an import; counts it if necessary."""
        # Without statistics ahead, the pattern's view may still be: then only the count of parts
        # is missing. With them, all is in the views up to their revision, where they take over.
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
    """Takes the entries after the checkpoint. Those that the snapshot has are only marked dirty:
    no view may show them yet."""

    def __init__(self, fold: Fold, head: Head) -> None:
        self.fold = fold
        self.fold.checkpoint = head.checkpoint
        self.revision = min(head.checkpoint, fold.revision)
        self._snapshot_revision = fold.revision

    @property
    def is_whole(self) -> bool:
        return self.revision >= self._snapshot_revision

    def apply(self, revision: int, entry: Entry) -> Applied | None:
        self.revision = revision
        if revision > self._snapshot_revision:
            return self.fold.apply(revision, entry)
        if isinstance(entry, Clear) and entry.erases:
            self.fold.erased = max(self.fold.erased, revision)
        self.fold.dirty.add(entry)
        return None


def _appears_at(view: PatternView) -> int:
    """The entry from which a fold may take the view: a tombstone's delete, else the first learn."""
    return view.pattern.revision if view.deleted else view.pattern.first
