"""Entries somebody wants to see in the log, by their tokens (knowledge.md §3)."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kato_service.errors import OverloadedError
from kato_service.knowledge.model.entries import Applied, Entry, symbol_count

MAX_WAITING_ENTRIES = 10_000
MAX_WAITING_SYMBOLS = 4_000_000
"""Of entries that wait for the log; one that comes while there are fewer is taken whole."""


@dataclass(slots=True)
class PendingEntry:
    """One entry; whatever shows its token in the log completes it."""

    entry: Entry
    since: int
    """The log's revision behind which it can be."""
    needs_lookup: bool = False
    """It may be in the log already, unseen by the fold."""
    sent: bool = False
    """An insert of it was tried and may have succeeded."""
    tried_since: float | None = None
    """When its append began, by the wall clock."""
    holders: int = 0
    applied: Applied | None = None
    waiters: set["asyncio.Future[None]"] = field(default_factory=set)
    """Appends that wait for it; empty while it is only registered."""

    def complete(self, applied: Applied) -> None:
        self.applied = applied
        self._wake(None)

    def fail(self, error: BaseException) -> None:
        self._wake(error)

    def _wake(self, error: BaseException | None) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None) if error is None else waiter.set_exception(error)
        self.waiters.clear()


class PendingEntries:
    """All registered entries of one knowledge base."""

    def __init__(self) -> None:
        self._by_token: dict[str, PendingEntry] = {}
        self._symbols = 0

    def require_room(self) -> None:
        """Refuse entries that nobody began yet while too many wait for the log.

        Raises:
            OverloadedError: They do.
        """
        if len(self) >= MAX_WAITING_ENTRIES or self._symbols >= MAX_WAITING_SYMBOLS:
            raise OverloadedError(
                "knowledge", "too much waits to be learned by this knowledge base: repeat later"
            )

    def __len__(self) -> int:
        return len(self._by_token)

    def __contains__(self, token: object) -> bool:
        return token in self._by_token

    def __iter__(self) -> Iterator[PendingEntry]:
        return iter(self._by_token.values())

    def hold(self, entries: Iterable[Entry], *, since: int) -> list[PendingEntry]:
        """Register them until as many `release`: one token has one `PendingEntry`."""
        held = []
        for entry in entries:
            wanted = self._by_token.get(entry.token)
            if wanted is None:
                wanted = self._by_token[entry.token] = PendingEntry(entry, since)
                self._symbols += symbol_count(entry)
            wanted.since = min(wanted.since, since)
            wanted.holders += 1
            held.append(wanted)
        return held

    def release(self, held: Iterable[PendingEntry]) -> None:
        for wanted in held:
            wanted.holders -= 1
            if not wanted.holders:
                del self._by_token[wanted.entry.token]
                self._symbols -= symbol_count(wanted.entry)

    def note(self, applied: Applied) -> None:
        """An entry was applied, from whatever read."""
        wanted = self._by_token.get(applied.entry.token)
        if wanted is not None:
            wanted.complete(applied)

    def must_look_up(self) -> None:
        """The fold was loaded anew: it does not tell what the log holds of them."""
        for wanted in self:
            wanted.needs_lookup = wanted.applied is None
