"""The clear that a replacement begins with is in the log once, however often it is sent."""

from collections.abc import Iterable

from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Applied, Clear
from kato_service.knowledge.replica.pending_entries import PendingEntry


def may_clear(pending: PendingEntry, fold: Fold, group: Iterable[PendingEntry]) -> bool:
    """Whether *pending* may go into the log after *fold* and *group*: unless it is a clear whose
    import has begun. One that *fold* shows to have begun is completed, as one that met nothing."""
    entry = pending.entry
    if not isinstance(entry, Clear) or entry.source is None:
        return True
    if entry.source in fold.imports.parts:
        pending.complete(Applied(entry, fold.revision, None, met=False))
        return False
    clears = (one.entry for one in group if isinstance(one.entry, Clear))
    return all(one.source != entry.source for one in clears)
