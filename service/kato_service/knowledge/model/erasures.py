"""The port to the erasures of users: those that are under way, and traces of those that are done.

A trace holds nothing that leads to a user: the random incarnation of a log that is gone, by which
replicas find the snapshot files that they wrote of it (knowledge.md §10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Erasure:
    id: str
    """Unique in its instance; in order of when erasures began."""
    incarnation: str = ""
    """Of the log that is erased; '' until it is known, or if there is none."""
    revision: int = 0
    """Of the clear that erases it; 0 until it is in the log."""
    kb: str = ""
    """The knowledge base; '' once the erasure is done."""
    user: str | None = None
    """None once it is done, and for the knowledge base of nobody."""
    token: str = ""
    """Of the clear."""
    since: int = 0
    """A revision that the clear comes after."""
    touched_at: float = 0.0
    """When a process last worked on it, in seconds since the epoch."""

    @property
    def is_done(self) -> bool:
        return not self.kb

    @property
    def trace(self) -> "Erasure":
        """What stays of it once it is done."""
        return Erasure(self.id, self.incarnation, self.revision)


class Erasures(Protocol):
    """Every call raises StoreUnavailableError if the store did not answer, and may be repeated."""

    async def begin(self, instance: str, erasure: Erasure) -> None:
        """Store an erasure."""

    async def note(self, instance: str, erasure: Erasure) -> None:
        """Replace what is stored of an erasure; one that was forgotten stays forgotten."""

    async def since(self, instance: str, first: str) -> Sequence[Erasure]:
        """All erasures from the id *first* on, in their order."""

    async def forget(self, instance: str, before: str) -> None:
        """Drop the traces of erasures with ids less than *before*."""

    async def floor(self) -> int:
        """The revision after which new logs begin; 0 while nothing was ever erased."""

    async def raise_floor(self, revision: int) -> None:
        """Let new logs begin after *revision*, or later."""
