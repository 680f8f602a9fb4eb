"""The port to the log of knowledge bases (knowledge.md §1 and §3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kato_service.knowledge.model.entries import Entry, symbol_count
from kato_service.knowledge.model.pattern_views import PatternViews


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of one log beside its entries; all but the incarnation only grow."""

    incarnation: str
    """Random, given when the log was made; another one: another history."""
    checkpoint: int = 0
    """The views show every entry up to this revision, perhaps later ones too."""
    cleared: int = 0
    """The last clear at or below the checkpoint: views of that revision or less are garbage."""
    trimmed: int = 0
    """Entries up to this revision may be gone and count in no read."""

    def raised(self, other: "Head") -> "Head":
        """Each number as the greater one of both."""
        return Head(
            self.incarnation,
            checkpoint=max(self.checkpoint, other.checkpoint),
            cleared=max(self.cleared, other.cleared),
            trimmed=max(self.trimmed, other.trimmed),
        )


@dataclass(frozen=True, slots=True)
class Tail:
    """The log behind a revision as one read found it."""

    entries: tuple[tuple[int, Entry], ...]
    """In order of revision, those at or below ``head.trimmed`` left out."""
    head: Head | None
    """Read no earlier than the entries; None: this log was never written."""
    more: bool
    """The read was cut at its limit."""

    @property
    def symbols(self) -> int:
        """Of all entries together, roughly what they cost."""
        return sum(symbol_count(entry) for _, entry in self.entries)


class KnowledgeLog(Protocol):
    """Logs of many knowledge bases in one store; every call has the store's own timeout.

    Reads see everything acknowledged before they started, on any replica, and nothing that a
    failover may take back.
    """

    @property
    def views(self) -> PatternViews:
        """The materialised patterns, in the same store."""

    async def start(self) -> None:
        """Set the store up; may be repeated, also by several processes at once.

        Raises:
            StoreUnavailableError: The store cannot be used now.
        """

    async def create(self, kb: str) -> None:
        """Make the head with a random incarnation unless there is one."""

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        """Put *entries* at revisions *first*, *first* + 1, …, in order and durably.

        Returns:
            How many of them are in now. Fewer than given: the next one's revision was taken.

        Raises:
            OutcomeUnknownError: Some of them may be in, or may still come in.
            StoreUnavailableError: None of them is in.
        """

    async def head(self, kb: str) -> Head | None: ...

    async def raise_head(self, kb: str, head: Head) -> None:
        """Let none of the head's numbers be smaller than *head*'s, all at once; nothing happens
        to a log of another incarnation. May be repeated."""

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        """Whether *owner* alone should write views and head for so long, or until `release`.

        Advice, not a lock: it saves work, and servers whose updates are not atomic a risk.
        """

    async def release(self, kb: str, owner: str) -> None: ...

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        """Up to *limit* entries behind revision *after*, then the head.

        Raises:
            StoreUnavailableError: The store did not answer.
        """

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        """Drop the entries at these revisions that carry these tokens."""

    async def old(self, kb: str, after: int, before: int, until: datetime, *, limit: int) -> int:
        """The last revision of the run behind *after* and below *before* of at most *limit*
        entries that all went in at *until* or earlier; *after* if there is none."""

    async def delete_until(self, kb: str, revision: int, *, limit: int) -> int:
        """Drop up to *limit* entries at or below *revision*, and tell how many."""

    async def close(self) -> None: ...
