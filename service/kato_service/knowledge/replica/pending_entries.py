"""Entries that somebody in this process waits for, by token (knowledge.md §3)."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from kato_service.errors import OverloadedError
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Entry, symbol_count
from kato_service.knowledge.model.entry_names import EntryName, name_in

LOOK_S = 1.0
"""Seconds between looks for appends that take too long, of which the least may take 30."""


class Waiter:
    """Waits for several entries at once."""

    __slots__ = ("_fails", "_left", "future")

    def __init__(self, count: int, *, fails: bool) -> None:
        """*fails*: the first failure ends the wait with its error; else it lasts until all of them
        are done, and each has its own outcome."""
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = count
        self._fails = fails

    def done(self, error: BaseException | None) -> None:
        """One of them is done."""
        self._left -= 1
        if self.future.done():
            return
        if error is not None and self._fails:
            self.future.set_exception(error)
        elif not self._left:
            self.future.set_result(None)


@dataclass(slots=True)
class PendingEntry:
    """One entry; any read that shows its token in the log completes it."""

    entry: Entry
    since: int
    """A revision that the entry comes after, if it is in the log."""
    symbols: int
    """Its `symbol_count`."""
    needs_lookup: bool = False
    """It may be in the log already, at a revision that the fold has passed without noticing."""
    sent: bool = False
    """An insert of it was tried and may have succeeded."""
    is_own: bool = False
    """This process put it in, as far as it can tell: others may send a named entry, too."""
    is_sending: bool = False
    """An insert of it is under way, so it is not known yet who put it in."""
    tried_since: float | None = None
    """When its append began, in seconds of the wall clock."""
    holders: int = 0
    applied: Applied | None = None
    error: BaseException | None = None
    """Why its last append failed."""
    waiters: tuple[Waiter, ...] = ()
    """Appends that wait for it; empty while it is only registered."""
    name: EntryName | None = None
    """What its sender called it; None: it has a random token."""
    gives_way: bool = False
    """One of many of its sender: entries of others go in before it."""

    def complete(self, applied: Applied) -> None:
        self.applied = applied
        self._wake(None)

    def fail(self, error: BaseException) -> None:
        self.error = error
        self._wake(error)

    def _wake(self, error: BaseException | None) -> None:
        waiters, self.waiters = self.waiters, ()
        for waiter in waiters:
            waiter.done(error)


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
        self._looked_at = -inf
        self._by_token: dict[str, PendingEntry] = {}
        self._symbols = 0
        self._waiting: list[asyncio.Future[None]] = []
        """Senders of many entries that wait for room."""

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

    async def room(self) -> None:
        """Wait until not even half as many entries wait as may: whoever sends many of them leaves
        the rest to others."""
        while not self._has_much_room:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    @property
    def _has_much_room(self) -> bool:
        return 2 * len(self) < self._max_entries and 2 * self._symbols < self._max_symbols

    def __len__(self) -> int:
        return len(self._by_token)

    def __contains__(self, token: object) -> bool:
        return token in self._by_token

    def __iter__(self) -> Iterator[PendingEntry]:
        return iter(self._by_token.values())

    def hold(
        self, entries: Iterable[Entry], *, since: int, gives_way: bool = False
    ) -> list[PendingEntry]:
        """Register them until each was released as often as it was held: one token has one
        `PendingEntry`, whoever waits for it.

        Args:
            gives_way: See `PendingEntry`; for entries that may be named.
        """
        held = []
        for entry in entries:
            pending = self._by_token.get(entry.token)
            if pending is None:
                size = symbol_count(entry)
                pending = PendingEntry(entry, since, size, gives_way=gives_way)
                pending.name = name_in(entry.token) if gives_way else None
                self._by_token[entry.token] = pending
                self._symbols += size
            pending.since = min(pending.since, since)
            pending.holders += 1
            held.append(pending)
        return held

    def release(self, held: Iterable[PendingEntry]) -> None:
        for pending in held:
            pending.holders -= 1
            if not pending.holders:
                del self._by_token[pending.entry.token]
                self._symbols -= pending.symbols
        if self._waiting and self._has_much_room:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():  # it is done if its sender was cancelled
                    waiter.set_result(None)

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

    def start_trying(self, pending: Iterable[PendingEntry]) -> None:
        """Note when their append began, the first time."""
        now = self._wall()
        for each in pending:
            if each.tried_since is None:
                each.tried_since = now

    def has_been_long(self) -> bool:
        """Whether a second passed since this last said so, also while the machine slept."""
        now = self._wall()
        if 0.0 <= now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        return True

    def overdue(self, some: Iterable[PendingEntry]) -> list[PendingEntry]:
        """Those whose appends take so long that the log may be trimmed beyond their entries."""
        earliest = self._wall() - self._append_s
        return [
            pending
            for pending in some
            if pending.tried_since is not None and pending.tried_since < earliest
        ]
