"""The port to the configurations of users: one log for all users of an instance.

Every change is an entry at the next revision, as in the log of a knowledge base, so processes learn
of changes in their order. What an entry holds is taken out once a later one has replaced it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class ConfigurationEntry:
    token: str
    """Random, one per entry: tells its writer that it is in."""
    at: float
    """When it was written, in seconds since the epoch."""
    kb: str = ""
    """The knowledge base of the user; '' if the entry holds no configuration, or none any more."""
    genes: str = ""
    """JSON of a map; '' as above."""
    removes: int = 0
    """The revision of the entry whose configuration this one removes; 0: none."""


class StoredEntry(NamedTuple):
    revision: int
    entry: ConfigurationEntry


class Configurations(Protocol):
    """Every call raises StoreUnavailableError if the store did not answer, and may be repeated."""

    async def insert(self, instance: str, revision: int, entry: ConfigurationEntry) -> None:
        """Put an entry in durably, unless its revision is taken.

        Raises:
            OutcomeUnknownError: It may be in, or may still come in.
        """

    async def since(self, instance: str, first: int, *, limit: int) -> Sequence[StoredEntry]:
        """Up to *limit* entries from the revision *first* on, in their order.

        Fewer than that: the last of them was the newest when the call began, or is newer.
        """

    async def blank(self, instance: str, kb: str, before: int) -> None:
        """Take the configuration out of all entries of *kb* before a revision, the oldest first."""

    async def forget(self, instance: str, before: int, until: float) -> None:
        """Drop entries before a revision that hold no configuration, were written at *until* or
        earlier, and remove nothing that is still there."""
