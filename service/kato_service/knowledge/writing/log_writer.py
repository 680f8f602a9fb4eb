"""Appends to one log: what waits goes in together, in order, exactly once (knowledge.md §3).

The log has no lock and no leader. A writer inserts its group at the revision after its fold; if
another process was faster, that revision is taken, and the writer reads what is there and tries
again after it. A reply that is lost leaves the outcome unknown: the same insert is sent again at
the same revisions, where it either is in already or finds them taken by others. What decides is
always what a read shows, never what an insert replied.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from kato_service.backoff import Backoff
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError, UniqueIdReusedError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.named_entries import NamedEntry
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Delete, Entry, subject
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import (
    Position,
    before,
    goes_through,
    is_other_history,
    is_trimmed,
)
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.pending_entries import PendingEntries, PendingEntry, Waiter
from kato_service.knowledge.writing.named_lookup import NamedLookup
from kato_service.knowledge.writing.replacements import may_clear
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
        self.named = NamedLookup(kb, log, limits)
        """Completes the named entries of a fold, which has to be before any is appended."""
        self._queue: dict[str, PendingEntry] = {}
        """Entries to be appended, by token, first come first served."""
        self._replied = asyncio.Event()
        """Set while no insert is under way."""
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
        await self._wait(held, fails=True)

    async def settle(self, held: Iterable[PendingEntry]) -> None:
        """Return when each of them is in the log and in the fold, or failed; they say which.

        They are in the queue when this waits for the first time.
        """
        every = list(held)
        await self._wait(every, fails=False)
        # A read may show a named entry before the insert says whose it was.
        while any(pending.is_sending and pending.name for pending in every):
            await self._replied.wait()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _wait(self, held: Iterable[PendingEntry], *, fails: bool) -> None:
        # One that is held twice is waited for once.
        waited = {id(pending): pending for pending in held if pending.applied is None}
        if waited:
            waiter = Waiter(len(waited), fails=fails)
            self._pending.start_trying(waited.values())
            for pending in waited.values():
                self._enqueue(pending, waiter)
            self._start()
            await waiter.future

    def _enqueue(self, pending: PendingEntry, waiter: Waiter) -> None:
        token = pending.entry.token
        if token not in self._queue:
            # The queue holds it, too: it must not be forgotten when its callers are cancelled.
            pending.holders += 1
            self._queue[token] = pending
            pending.error = None
        pending.waiters += (waiter,)

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
        # a look-up would miss them, and another insert would put them in twice. While none was, a
        # look at each of them before every group would cost as much as a tenth of the group.
        if not self._pending.has_been_long():
            return
        error = StoreUnavailableError("an append took too long and was given up")
        for pending in self._pending.overdue(self._queue.values()):
            self._fail(pending, error)

    async def _write_group(self) -> None:
        fold = await self._current.loaded()
        await self._lookup.complete(self._queue.values())
        # A log that was erased is not created again by what was planned before that.
        erased = fold.erased if fold.incarnation else await self._log.erasures.floor()
        await self._current.named(fold)
        if any(pending.name for pending in self._queue.values()):
            await self.named.complete(fold)
        # The look-ups may have replaced the fold: its position is the one to insert after.
        if self._current.fold is not fold:
            return
        # Nothing is awaited from here to the insert: what the fold shows now, the revision after it
        # confirms.
        self._complete_erased(erased)
        group = self._group(fold)
        if not group:
            return
        if not fold.incarnation:
            await self._current.created(fold)
            return
        position = fold.position
        with self._sending(group):
            count = await self._insert(position.revision + 1, group)
        await self._settle(fold, position, group, count)

    def _complete_erased(self, erased: int) -> None:
        """Complete what was planned before the erasure at that revision: it is erased, too.

        An entry gets in only right after what its writer has folded in, so none of these came in
        after the erasure. Those that give way are of no stored intent, and may be later than it.
        """
        for pending in self._queue.values() if erased else ():
            is_earlier = pending.since < erased and not pending.gives_way
            if is_earlier and pending.applied is None and not pending.needs_lookup:
                pending.complete(Applied(pending.entry, erased, None))

    @contextmanager
    def _sending(self, group: list[PendingEntry]) -> Iterator[None]:
        self._replied.clear()
        for pending in group:
            pending.is_sending = True
        try:
            yield
        finally:
            for pending in group:
                pending.is_sending = False
            self._replied.set()

    async def _insert(self, first: int, group: list[PendingEntry]) -> int:
        """Repeat the same insert until it is certain that all are in, or a revision was taken.

        Returns:
            How many the last one put in.

        Only the very same insert may follow one of unknown outcome: an entry that was also sent at
        another revision could get in twice.
        """
        backoff = self._backoff()
        entries = [pending.entry for pending in group]
        is_repeated = False
        while True:
            try:
                count = await self._log.insert(self._kb, first, entries)
            except StoreUnavailableError as error:
                if isinstance(error, OutcomeUnknownError):
                    _mark_sent(group)
                    is_repeated = True
                if not any(pending.sent for pending in group):
                    raise
                if backoff.is_over:
                    raise OutcomeUnknownError(error.message) from error
            except asyncio.CancelledError:
                _mark_sent(group)
                raise
            else:
                # What an earlier attempt put in, of unknown outcome, met a duplicate this time.
                for pending in group if is_repeated else group[:count]:
                    pending.is_own = True
                _mark_sent(group)
                return count
            await backoff.pause()

    async def _settle(
        self, fold: Fold, position: Position, group: list[PendingEntry], count: int
    ) -> None:
        """Read the log again after an insert: own entries, those of others, and the one before.

        The one before them shows whether the log still contains the fold's position. A store that
        went back to a backup takes the insert, too, but after a gap or another history.
        """
        after = position.revision
        tail = None
        if count == len(group) >= self._limits.token_group:
            tail = await self._confirmed(position, [pending.entry for pending in group])
        if tail is None:
            limit = self._limits.page_entries
            tail = await self._log.tail(self._kb, before(position), limit=limit)
        if is_other_history(fold.incarnation, after, tail) or not _continues(tail, position):
            trimmed = tail.head.trimmed if tail.head else 0
            await self._withdraw(fold, after + 1, group, trimmed)
        else:
            await self._current.take(fold, after, tail)

    async def _confirmed(self, position: Position, entries: Sequence[Entry]) -> Tail | None:
        """The tail of *entries*, all of which one insert put in after *position*, read by their
        tokens alone; None: the log shows something else."""
        first, end = before(position), position.revision + len(entries)
        rows = await self._log.tokens(self._kb, first, end, limit=len(entries) + 1)
        head = await self._log.head(self._kb)
        own = [(position.revision + 1 + i, entry) for i, entry in enumerate(entries)]
        shown = [(revision, token) for revision, token, _ in rows]
        wanted = [(revision, entry.token) for revision, entry in own]
        if position.revision:
            wanted = [(position.revision, position.token), *wanted]
        if shown != wanted:
            return None
        # The entry before them is only looked at by its token.
        known = [(position.revision, Delete(position.token, ""))] if position.revision else []
        return Tail((*known, *own), head, more=False)

    async def _withdraw(
        self, fold: Fold, first: int, group: list[PendingEntry], trimmed: int
    ) -> None:
        """Delete what was inserted into a trimmed part, or after the end of another history."""
        end = (await self._current.reloaded(fold)).revision
        tokens = {first + i: pending.entry.token for i, pending in enumerate(group)}
        stray = {r: token for r, token in tokens.items() if r <= trimmed or r > end}
        await self._log.delete(self._kb, stray)

    def _group(self, fold: Fold) -> list[PendingEntry]:
        """What goes in together: bounded in entries and symbols, but never empty for its size.

        Named entries that *fold* has are done: repeats are completed, and those that reuse an id
        are refused.
        """
        group: list[PendingEntry] = []
        keys: set[int] = set()
        symbols = 0
        limits = self._limits
        for pending in list(self._in_turn()):
            if pending.name is not None and not self._is_new(pending, fold, keys):
                continue
            if not may_clear(pending, fold, group):
                continue
            symbols += pending.symbols
            if group and (len(group) >= limits.group_entries or symbols > limits.group_symbols):
                break
            if pending.name is not None:
                keys.add(pending.name.key)
            group.append(pending)
        return group

    def _in_turn(self) -> Iterator[PendingEntry]:
        """The entries that may be sent, those that give way last."""
        due = [
            pending
            for pending in self._queue.values()
            if pending.applied is None and not pending.needs_lookup
        ]
        yield from (pending for pending in due if not pending.gives_way)
        yield from (pending for pending in due if pending.gives_way)

    def _is_new(self, pending: PendingEntry, fold: Fold, keys: Collection[int]) -> bool:
        """Whether the log has no entry of its name; one in *keys* may be in it after this group."""
        assert pending.name is not None
        assert fold.named is not None
        known = fold.named.find(pending.name)
        if known is None:
            return pending.name.key not in keys
        if known.content == pending.name.content:
            pending.complete(_repeated(pending, known, fold.revision))
        else:
            # What was sent of it was refused by the log: the other one took its revision.
            pending.fail(_reused())
            self._drop(pending)
        return False

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


def _repeated(pending: PendingEntry, known: NamedEntry, revision: int) -> Applied:
    """The outcome of an entry that the log has already, at an earlier revision than *revision*."""
    entry = pending.entry
    is_same = (subject(entry) or "").startswith(known.pattern)
    frequency = known.frequency if is_same else None
    return Applied(entry, revision, frequency, met=False, is_known=is_same)


def _reused() -> UniqueIdReusedError:
    reason = (
        "is not new: another line of this user that asked for something else already used it;"
        " nothing changed, send another one"
    )
    return UniqueIdReusedError.at("unique_id", reason=reason)


def _continues(tail: Tail, position: Position) -> bool:
    """Whether the log may contain *position*: an entry that may be trimmed proves nothing."""
    return is_trimmed(tail, position) or goes_through(tail, position)
