"""Times as revisions of a log, as far as the log still has its entries (http-api.md §6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Place
from kato_service.knowledge.model.log import Head, KnowledgeLog


@dataclass(frozen=True, slots=True)
class Reach:
    """Which entries a log has."""

    trimmed: int = 0
    """The revision before the first one; when earlier ones went in is not known."""
    last: int = 0
    oldest: datetime | None = None
    """When the first one went in; None: it has none."""


async def reach(log: KnowledgeLog, kb: str) -> Reach:
    trimmed = -1
    while True:
        head = await log.head(kb)
        if head is None:
            return Reach()
        last, first = await log.last(kb), head.trimmed + 1
        oldest = (await log.times(kb, (first,))).get(first)
        if oldest is not None or first > last or head.trimmed == trimmed:
            return Reach(head.trimmed, last, oldest)
        trimmed = head.trimmed  # that entry was trimmed meanwhile: look again


async def revisions_at(
    log: KnowledgeLog, kb: str, times: Sequence[datetime], within: Reach
) -> list[int]:
    """For each time, the last revision that went in then or earlier, by the clocks of who appended.

    What is trimmed meanwhile counts as earlier than everything else, as it is. It takes as many
    reads for many times as for one: about the logarithm of the number of entries.
    """
    # Between a revision that went in by then, or none, and one that went in later.
    low, high = [within.trimmed] * len(times), [within.last + 1] * len(times)
    while True:
        wide = [at for at in range(len(times)) if high[at] - low[at] > 1]
        if not wide:
            return low
        middles = {at: (low[at] + high[at]) // 2 for at in wide}
        went_in = await log.times(kb, set(middles.values()))
        for at, middle in middles.items():
            if middle in went_in and went_in[middle] > times[at]:
                high[at] = middle
            else:
                low[at] = middle


async def revision_at(log: KnowledgeLog, kb: str, when: datetime, place: Place) -> int:
    """The last revision that went in at *when* or earlier, by the clocks of who appended.

    Args:
        place: Where the request has the time.

    Raises:
        InvalidInputError: Entries of that age are trimmed, so it cannot be told.
    """
    (found,) = await revisions_at(log, kb, (when,), await reach(log, kb))
    head = await log.head(kb)
    if head is not None and found <= head.trimmed and head.trimmed > head.erased:
        raise InvalidInputError((Finding(place, await _too_early(log, kb, head)),))
    return found


async def _too_early(log: KnowledgeLog, kb: str, head: Head) -> str:
    first = head.trimmed + 1
    oldest = (await log.times(kb, (first,))).get(first)
    since = "" if oldest is None else f" ({oldest:%Y-%m-%dT%H:%M:%SZ})"
    return (
        "is before the oldest entry that the log of this knowledge base still has"
        f"{since}, so it cannot be told what was learned by then"
    )
