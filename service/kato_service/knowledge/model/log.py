"""The port to the log of knowledge bases (knowledge.md §1 and §3)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from kato_service.knowledge.model.configurations import Configurations
from kato_service.knowledge.model.entries import Entry, symbol_count
from kato_service.knowledge.model.erasures import Erasures
from kato_service.knowledge.model.pattern_views import PatternViews

LAST_REVISION = 10**12 - 1
"""No log gets there."""
LONGEST_LEASE_S = 600.0
"""Many times what any process takes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How large a knowledge base was at one revision: what a list of them shows without loading
    any."""

    revision: int
    at: datetime
    """When this was written."""
    patterns: int
    symbols: int
    """Different symbols that were learned since the last clear."""
    learns: int
    """Since the last clear."""
    learned_at: datetime | None = None
    """When the last learn, or part of an import, went in; None: not known, or never."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a store keeps of one log in addition to its entries. The numbers only grow."""

    incarnation: str
    """Random, given when the log was created: another incarnation is another history."""
    checkpoint: int = 0
    """The views show every entry up to this revision, and perhaps later ones."""
    cleared: int = 0
    """The last clear up to the checkpoint: views of revisions up to it are garbage."""
    trimmed: int = 0
    """Entries up to this revision may be gone, and no read returns them."""
    erased: int = 0
    """The last erasure: what was planned before this revision never gets in after it."""
    user: str | None = None
    """The user whose knowledge base it is; None: nobody's, or an earlier version created the log
    and it was not written since."""
    figures: Figures | None = None
    """As of the last time that a checkpoint was written with them."""

    def raised(self, other: "Head") -> "Head":
        """The same head, each number the greater one of both; figures that come with a greater
        checkpoint replace its own."""
        newer = other.figures is not None and other.checkpoint > self.checkpoint
        return replace(
            self,
            checkpoint=max(self.checkpoint, other.checkpoint),
            cleared=max(self.cleared, other.cleared),
            trimmed=max(self.trimmed, other.trimmed),
            erased=max(self.erased, other.erased),
            figures=other.figures if newer else self.figures,
        )

    @classmethod
    def of_new_log(cls, incarnation: str, floor: int, user: str | None) -> "Head":
        """The head of a log whose first entry follows the revision *floor*.

        What an erased log of the same name may have left, or what may still arrive for it, is
        below: trimmed entries and cleared views.
        """
        return cls(
            incarnation, checkpoint=floor, cleared=floor, trimmed=floor, erased=floor, user=user
        )


class Named(NamedTuple):
    """What identifies an entry."""

    revision: int
    token: str
    pattern: str
    """The name of the pattern that it is about; '' if it is about no single one."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The log after a revision, as one read found it."""

    entries: tuple[tuple[int, Entry], ...]
    """With their revisions, in ascending order; without those up to ``head.trimmed``."""
    head: Head | None
    """Read no earlier than the entries; None: this log was never written."""
    more: bool
    """The read reached its limit: there may be more entries."""

    @property
    def symbols(self) -> int:
        """Symbols in all entries together: roughly what they cost."""
        return sum(symbol_count(entry) for _, entry in self.entries)


class KnowledgeLog(Protocol):
    """The logs of many knowledge bases in one store; every call has the store's own time-out.

    Reads see everything that was acknowledged before they started, on any replica, and nothing that
    a failover may take back.
    """

    @property
    def views(self) -> PatternViews:
        """The materialised patterns, in the same store."""

    @property
    def erasures(self) -> Erasures:
        """The erasures of users, in the same store."""

    @property
    def configurations(self) -> Configurations:
        """The configurations of users, in the same store."""

    async def start(self) -> None:
        """Set the store up; may be repeated, also by several processes at once.

        Raises:
            StoreUnavailableError: The store cannot be used now.
        """

    async def create(self, kb: str, user: str | None = None) -> None:
        """Create the head, with a random incarnation, unless there is one.

        Args:
            user: Whose knowledge base it is.
        """

    async def name(self, kb: str, incarnation: str, user: str) -> None:
        """Note whose knowledge base it is, in the head of that incarnation. May be repeated."""

    async def heads(self, instance: str, after: str, *, limit: int) -> Sequence[tuple[str, Head]]:
        """Up to *limit* knowledge bases of *instance* with their heads, in order of their ids,
        after the one of the id *after* ('' for the first)."""

    async def last(self, kb: str) -> int:
        """The greatest revision of its entries; 0: there are none."""

    async def times(self, kb: str, revisions: Collection[int]) -> Mapping[int, datetime]:
        """When the entries at these revisions went in, by revision; without those that the log does
        not have. At most a few hundred."""

    async def learned_at(self, kb: str, after: int, until: int) -> datetime | None:
        """When the last learn, or part of an import, went in at a revision in (after, until];
        None: the log has none there."""

    async def remove_head(self, kb: str, head: Head) -> bool:
        """Remove the head if its incarnation and checkpoint are those of *head* and the log has no
        entry after the checkpoint; False: it stays, because the log is in use again."""

    async def sweep(self, kb: str, revision: int, *, limit: int) -> int:
        """Drop up to *limit* documents of a log whose head was removed: entries up to *revision*,
        and the lease; gives how many entries it dropped."""

    async def insert(self, kb: str, first: int, entries: Sequence[Entry]) -> int:
        """Put *entries* at revisions *first*, *first* + 1, …, in order and durably.

        Returns:
            How many of them are in. Fewer than given: the next one's revision was taken.

        Raises:
            OutcomeUnknownError: Some of them may be in, or may still come in.
            StoreUnavailableError: None of them is in.
        """

    async def head(self, kb: str) -> Head | None:
        """The head as it is now; None: this log was never written."""

    async def raise_head(self, kb: str, head: Head) -> None:
        """Raise each number of the stored head to that of *head*, atomically. A log of another
        incarnation stays as it is. May be repeated."""

    async def claim(self, kb: str, owner: str, *, lease_s: float) -> bool:
        """Take the lease for writing views and head, for *lease_s* or until `release`.

        A lease that ends later than `LONGEST_LEASE_S` from now counts as ended: the clock was set
        back after it was taken.

        Advice, not a lock: it saves double work, and protects servers whose updates are not atomic.

        Returns:
            False if another owner holds it.
        """

    async def release(self, kb: str, owner: str) -> None:
        """Give the lease back, if *owner* holds it."""

    async def tail(self, kb: str, after: int, *, limit: int) -> Tail:
        """Up to *limit* entries after revision *after*, then the head.

        Raises:
            StoreUnavailableError: The store did not answer.
        """

    async def tokens(self, kb: str, after: int, until: int, *, limit: int) -> Sequence[Named]:
        """What identifies each of up to *limit* entries after revision *after* and up to *until*,
        which costs less than the entries. What may be trimmed is not left out.

        Raises:
            StoreUnavailableError: The store did not answer.
        """

    async def delete(self, kb: str, tokens: Mapping[int, str]) -> None:
        """Drop the entries at these revisions that carry these tokens."""

    async def old(self, kb: str, after: int, before: int, until: datetime, *, limit: int) -> int:
        """The last revision of the unbroken run of entries after *after* that all went in at
        *until* or earlier; *after* if there are none. It has at most *limit* entries and ends
        before revision *before*."""

    async def delete_until(self, kb: str, revision: int, *, limit: int) -> int:
        """Drop up to *limit* entries of revisions up to *revision*; gives how many it dropped."""

    async def scrub(self) -> None:
        """Overwrite what was dropped, where it would stay readable in files of this process."""

    async def close(self) -> None: ...
