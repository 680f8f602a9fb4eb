"""Times as revisions of a log, as far as the log still has its entries (http-api.md §6)."""

from datetime import datetime

from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Place
from kato_service.knowledge.model.log import Head, KnowledgeLog


async def revision_at(log: KnowledgeLog, kb: str, when: datetime, place: Place) -> int:
    """The last revision that went in at *when* or earlier, by the clocks of who appended.

    Args:
        place: Where the request has the time.

    Raises:
        InvalidInputError: Entries of that age are trimmed, so it cannot be told.
    """
    head = await log.head(kb)
    if head is None:
        return 0
    known, last = head.trimmed, await log.last(kb)
    # Between a revision that went in by then, or none, and one that went in later.
    low, high = known, last + 1
    while high - low > 1:
        middle = (low + high) // 2
        went_in = await log.went_in(kb, middle)
        if went_in is not None and went_in <= when:
            low = middle
        else:
            high = middle
    if low == known and known > head.erased:
        raise InvalidInputError((Finding(place, await _too_early(log, kb, head)),))
    return low


async def _too_early(log: KnowledgeLog, kb: str, head: Head) -> str:
    oldest = await log.went_in(kb, head.trimmed + 1)
    since = "" if oldest is None else f" ({oldest:%Y-%m-%dT%H:%M:%SZ})"
    return (
        "is before the oldest entry that the log of this knowledge base still has"
        f"{since}, so it cannot be told what was learned by then"
    )
