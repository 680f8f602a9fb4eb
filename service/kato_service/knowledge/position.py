"""Where in which history a fold is, and whether a store's log still runs through there."""

from dataclasses import dataclass

from kato_service.knowledge.log import KnowledgeLog, Tail


@dataclass(frozen=True, slots=True)
class Position:
    """Two folds at the same position are the same."""

    incarnation: str
    revision: int
    token: str
    """Of the entry at that revision; '' at revision 0."""


async def is_in_log(log: KnowledgeLog, kb: str, position: Position) -> bool:
    """Whether the store's log goes through *position*.

    No: it was made anew, went back to an older backup, or is trimmed up to there.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    return goes_through(await log.tail(kb, before(position), limit=1), position)


def before(position: Position) -> int:
    """The revision behind which a tail begins that can tell."""
    return max(0, position.revision - 1)


def goes_through(tail: Tail, position: Position) -> bool:
    """The same of a tail behind the revision `before` it."""
    if tail.head is None or tail.head.incarnation != position.incarnation:
        return tail.head is None and not position.incarnation
    if position.revision == 0:
        return tail.head.trimmed == 0
    return bool(tail.entries) and (
        (tail.entries[0][0], tail.entries[0][1].token) == (position.revision, position.token)
    )
