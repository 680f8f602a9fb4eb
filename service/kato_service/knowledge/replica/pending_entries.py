"""Entries that somebody in this process waits for, by token (knowledge.md §3)."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from kato_service.errors import OverloadedError
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Entry, symbol_count


@dataclass(slots=True)
class PendingEntry:
    """One entry; any read that shows its token in the log completes it."""

    entry: Entry
    since: int
    """A revision that the entry comes after, if it is in the log."""
    needs_lookup: bool = False
    """It may be in the log already, at a revision that the fold has passed without noticing."""
    sent: bool = False
    """An insert of it was tried and may have succeeded."""
    tried_since: float | None = None
    """When its append began, in seconds of the wall clock."""
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
    """All pending entries of one knowledge base."""

    def __init__(
        self,
        limits: KnowledgeLimits = DEFAULT_LIMITS,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._max_entries, self._max_symbols = limits.pending_entries, limits.pending_symbols
        self._append_s = limits.append_s
        self._wall = wall
        self._by_token: dict[str, PendingEntry] = {}
        self._symbols = 0

    def require_room(self) -> None:
        """Refuse new work while too many entries wait. Entries of changes that are under way are
        never refused, so the limits may be exceeded by those.

        Raises:
            OverloadedError: Too many entries, or symbols in them, wait for the log.
        """
        if len(self) >= self._max_entries or self._symbols >= self._max_symbols:
            raise OverloadedError(
                "knowledge",
                "too much waits to be learned by this knowledge base; retry later",
            )

    def __len__(self) -> int:
        return len(self._by_token)

    def __contains__(self, token: object) -> bool:
        return token in self._by_token

    def __iter__(self) -> Iterator[PendingEntry]:
        return iter(self._by_token.values())

    def hold(self, entries: Iterable[Entry], *, since: int) -> list[PendingEntry]:
        """Register them until each was released as often as it was held: one token has one
        `PendingEntry`, whoever waits for it."""
        held = []
        for entry in entries:
            pending = self._by_token.get(entry.token)
            if pending is None:
                pending = self._by_token[entry.token] = PendingEntry(entry, since)
                self._symbols += symbol_count(entry)
            pending.since = min(pending.since, since)
            pending.holders += 1
            held.append(pending)
        return held

    def release(self, held: Iterable[PendingEntry]) -> None:
        for pending in held:
            pending.holders -= 1
            if not pending.holders:
                del self._by_token[pending.entry.token]
                self._symbols -= symbol_count(pending.entry)

    def complete(self, applied: Applied) -> None:
        """Complete the entry that was applied, if anybody waits for it."""
        pending = self._by_token.get(applied.entry.token)
        if pending is not None:
            pending.complete(applied)

    def require_lookup(self) -> None:
        """The fold was reloaded, and a load does not see what is in the log before its checkpoint:
        look every entry up before it is sent."""
        for pending in self:
            pending.needs_lookup = pending.applied is None

    def start_trying(self, pending: PendingEntry) -> None:
        """Note when its append began, the first time."""
        if pending.tried_since is None:
            pending.tried_since = self._wall()

    def is_overdue(self, pending: PendingEntry) -> bool:
        """Whether its append takes so long that the log may be trimmed beyond the entry."""
        since = pending.tried_since
        return since is not None and self._wall() - since > self._append_s
