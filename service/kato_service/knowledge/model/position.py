"""Where in which history a fold is, and whether a store's log still contains that position."""

from dataclasses import dataclass

from kato_service.knowledge.model.log import Tail


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a history: folds at the same position have the same content."""

    incarnation: str
    revision: int
    token: str
    """The token of the entry at that revision; '' before the first entry."""


def before(position: Position) -> int:
    """The revision to read a tail after, so that `goes_through` can decide."""
    return max(0, position.revision - 1)


def goes_through(tail: Tail, position: Position) -> bool:
    """Whether a log contains *position*, given its tail after revision `before(position)`.

    If not, it was re-created, went back to an older backup, or is trimmed up to the position.
    """
    if tail.head is None or tail.head.incarnation != position.incarnation:
        return tail.head is None and not position.incarnation
    if not position.token:
        return tail.head.trimmed == position.revision
    return bool(tail.entries) and (
        (tail.entries[0][0], tail.entries[0][1].token) == (position.revision, position.token)
    )


def is_trimmed(tail: Tail, position: Position) -> bool:
    """Whether the log may have contained *position*: the same log is trimmed up to there."""
    head = tail.head
    if head is None or head.incarnation != position.incarnation:
        return False
    return head.trimmed >= position.revision


def is_other_history(incarnation: str, after: int, tail: Tail) -> bool:
    """Whether a tail read after revision *after* cannot continue a fold of *incarnation*."""
    if tail.head is None:
        return bool(incarnation)
    return tail.head.incarnation != incarnation or tail.head.trimmed > after
