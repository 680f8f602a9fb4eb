"""Appends to one log: what waits goes in together, in order, exactly once (knowledge.md §3).

The log has no lock and no leader. A writer inserts its group at the revision after its fold; if
another process was faster, that revision is taken, and the writer reads what is there and tries
again after it. A reply that is lost leaves the outcome unknown: the same insert is sent again at
the same revisions, where it either is in already or finds them taken by others. What decides is
always what a read shows, never what an insert replied.
"""

import asyncio
from collections.abc import Callable, Iterable

from kato_service.backoff import Backoff
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import symbol_count
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import (
    Position,
    before,
    goes_through,
    is_other_history,
    is_trimmed,
)
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.pending_entries import PendingEntries, PendingEntry
from kato_service.knowledge.writing.token_lookup import TokenLookup

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
"""Pauses between attempts, which grow from the first to the longest."""


class LogWriter:
    """The one writer of a knowledge base in this process; its task runs while entries wait."""

    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        current: CurrentFold,
        pending: PendingEntries,
        limits: KnowledgeLimits,
        on_idle: Callable[[], None],
    ) -> None:
        """*on_idle* is called whenever its task has ended and nothing waits for it any more."""
        self._kb = kb
        self._log = log
        self._current = current
        self._pending = pending
        self._limits = limits
        self._on_idle = on_idle
        self._lookup = TokenLookup(kb, log, current, limits)
        self._queue: dict[str, PendingEntry] = {}
        """Entries to be appended, by token, first come first served."""
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None and not self._task.done()

    async def append(self, held: Iterable[PendingEntry]) -> None:
        """Return when all of them are in the log and in the fold.

        Cancelling the wait cancels none of the entries.

        Raises:
            OutcomeUnknownError: Some of them may be in, or may still come in.
            StoreUnavailableError: None of them is in.
        """
        waiters = [self._enqueue(pending) for pending in held if pending.applied is None]
        if waiters:
            self._start()
            await asyncio.gather(*waiters)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _enqueue(self, pending: PendingEntry) -> asyncio.Future[None]:
        token = pending.entry.token
        if token not in self._queue:
            # The queue holds it, too: it must not be forgotten when its callers are cancelled.
            self._pending.hold([pending.entry], since=pending.since)
            self._queue[token] = pending
            self._pending.start_trying(pending)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pending.waiters.add(waiter)
        return waiter

    def _start(self) -> None:
        if not self.busy:
            self._task = asyncio.create_task(self._write())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Fail whatever still waits: no task is there to complete it."""
        if task.cancelled():
            self._give_up(StoreUnavailableError("the service is closing"))
        elif (error := task.exception()) is not None:
            self._give_up(error)
        self._on_idle()

    async def _write(self) -> None:
        """Write groups until nothing waits.

        Progress is that an entry was applied or the fold moved, by whoever's entries. Without any,
        there are two cases. If nothing in the queue was sent, nothing is in: all appends fail at
        once. If something was sent, its outcome is unknown and would stay so: it is tried again
        until the back-off is over.
        """
        backoff = self._backoff()
        while self._queue:
            revision = self._current.revision
            error = None
            self._fail_overdue()
            try:
                await self._write_group()
            except StoreUnavailableError as exc:
                error = exc
            if self._drop_applied() or self._current.revision > revision:
                backoff = self._backoff()
            elif backoff.is_over or (error and not self._any_sent()):
                self._give_up(error or StoreUnavailableError("the log shows no appended entry"))
            elif error or self._any_sent():
                await backoff.pause()

    def _fail_overdue(self) -> None:
        # A process that was stopped for days may find the log trimmed beyond entries that it sent:
        # a look-up would miss them, and another insert would put them in twice.
        error = StoreUnavailableError("an append took too long and was given up")
        for pending in list(self._queue.values()):
            if self._pending.is_overdue(pending):
                self._fail(pending, error)

    async def _write_group(self) -> None:
        fold = await self._current.loaded()
        await self._lookup.complete(self._queue.values())
        group = self._group()
        # The look-up may have replaced the fold: its position is the one to insert after.
        if not group or self._current.fold is not fold:
            return
        if not fold.incarnation:
            await self._log.create(self._kb)
            await self._current.reloaded(fold)
            return
        position = fold.position
        await self._insert(position.revision + 1, group)
        await self._settle(fold, position, group)

    async def _insert(self, first: int, group: list[PendingEntry]) -> None:
        """Repeat the same insert until it is certain that all are in, or a revision was taken.

        Only the very same insert may follow one of unknown outcome: an entry that was also sent at
        another revision could get in twice.
        """
        backoff = self._backoff()
        entries = [pending.entry for pending in group]
        while True:
            try:
                await self._log.insert(self._kb, first, entries)
            except StoreUnavailableError as error:
                if isinstance(error, OutcomeUnknownError):
                    _mark_sent(group)
                if not any(pending.sent for pending in group):
                    raise
                if backoff.is_over:
                    raise OutcomeUnknownError(error.message) from error
            except asyncio.CancelledError:
                _mark_sent(group)
                raise
            else:
                _mark_sent(group)
                return
            await backoff.pause()

    async def _settle(self, fold: Fold, position: Position, group: list[PendingEntry]) -> None:
        """Read the log again after an insert: own entries, those of others, and the one before.

        The one before them shows whether the log still contains the fold's position. A store that
        went back to a backup takes the insert, too, but after a gap or another history.
        """
        after = position.revision
        limit = self._limits.page_entries
        tail = await self._log.tail(self._kb, before(position), limit=limit)
        if is_other_history(fold.incarnation, after, tail) or not _continues(tail, position):
            trimmed = tail.head.trimmed if tail.head else 0
            await self._withdraw(fold, after + 1, group, trimmed)
        else:
            await self._current.take(fold, after, tail)

    async def _withdraw(
        self, fold: Fold, first: int, group: list[PendingEntry], trimmed: int
    ) -> None:
        """Delete what was inserted into a trimmed part, or after the end of another history."""
        end = (await self._current.reloaded(fold)).revision
        tokens = {first + i: pending.entry.token for i, pending in enumerate(group)}
        stray = {r: token for r, token in tokens.items() if r <= trimmed or r > end}
        await self._log.delete(self._kb, stray)

    def _group(self) -> list[PendingEntry]:
        """What goes in together: bounded in entries and symbols, but never empty for its size."""
        group: list[PendingEntry] = []
        symbols = 0
        limits = self._limits
        for pending in self._queue.values():
            if pending.applied is not None or pending.needs_lookup:
                continue
            symbols += symbol_count(pending.entry)
            if group and (len(group) >= limits.group_entries or symbols > limits.group_symbols):
                break
            group.append(pending)
        return group

    def _any_sent(self) -> bool:
        return any(pending.sent for pending in self._queue.values())

    def _drop_applied(self) -> bool:
        """Whether there were any."""
        applied = [pending for pending in self._queue.values() if pending.applied is not None]
        for pending in applied:
            self._drop(pending)
        return bool(applied)

    def _give_up(self, error: BaseException) -> None:
        for pending in list(self._queue.values()):
            self._fail(pending, error)

    def _fail(self, pending: PendingEntry, error: BaseException) -> None:
        """Fail its append. If it was sent, it may still get in: its outcome is unknown, and the
        next append of it looks it up before anything is sent again."""
        pending.needs_lookup = pending.sent
        pending.fail(_unknown(error) if pending.sent else error)
        self._drop(pending)

    def _drop(self, pending: PendingEntry) -> None:
        del self._queue[pending.entry.token]
        self._pending.release([pending])

    def _backoff(self) -> Backoff:
        return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=self._limits.append_retry_s)


def _mark_sent(group: list[PendingEntry]) -> None:
    for pending in group:
        pending.sent = True


def _unknown(error: BaseException) -> BaseException:
    if isinstance(error, StoreUnavailableError):
        return OutcomeUnknownError(f"an entry was not confirmed: {error.message}")
    return error


def _continues(tail: Tail, position: Position) -> bool:
    """Whether the log may contain *position*: an entry that may be trimmed proves nothing."""
    return is_trimmed(tail, position) or goes_through(tail, position)
