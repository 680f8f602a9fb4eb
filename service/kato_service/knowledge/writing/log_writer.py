"""Appends to one log: what waits goes in together, in order, exactly once (knowledge.md §3)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from math import inf

from kato_service.backoff import Backoff
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import (
    Applied,
    Clear,
    Entry,
    Import,
    Statistics,
    subject,
    symbol_count,
)
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import (
    Position,
    before,
    goes_through,
    is_other_history,
    is_trimmed,
)
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.page_sizes import CHUNK, PAGE_SYMBOLS, PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntries, PendingEntry

GROUP_ENTRIES = 500
GROUP_SYMBOLS = 40_000
REPLAYED_ENTRIES = 20_000
"""Of a log that are read to tell what an entry did: others wait for it, a third of a second."""
PATIENCE_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
"""How long entries of unknown outcome are tried before their append gives up."""


class LogWriter:
    """The one writer of a knowledge base in this process; its task lives while something waits."""

    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        current: CurrentFold,
        wanted: PendingEntries,
        ended: Callable[[], None],
    ) -> None:
        """*ended* is told whenever its task is over and nothing waits for it any more."""
        self._kb = kb
        self._log = log
        self._current = current
        self._wanted = wanted
        self._told = ended
        self._queue: dict[str, PendingEntry] = {}
        self._task: asyncio.Task[None] | None = None
        self._append_s = inf
        self._wall: Callable[[], float] = time.time

    def abandon_after(self, seconds: float, wall: Callable[[], float]) -> None:
        """Try no append for longer: its look-up might no longer find what it put in."""
        self._append_s = seconds
        self._wall = wall

    @property
    def busy(self) -> bool:
        return self._task is not None and not self._task.done()

    async def append(self, held: Iterable[PendingEntry]) -> None:
        """Returns when all are in the log and in the fold.

        Cancelling the wait cancels none of the entries.
        """
        waiters = [self._enqueue(wanted) for wanted in held if wanted.applied is None]
        if waiters:
            self._start()
            await asyncio.gather(*waiters)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _enqueue(self, wanted: PendingEntry) -> asyncio.Future[None]:
        token = wanted.entry.token
        if token not in self._queue:
            self._wanted.hold([wanted.entry], since=wanted.since)
            self._queue[token] = wanted
            if wanted.tried_since is None:
                wanted.tried_since = self._wall()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wanted.waiters.add(waiter)
        return waiter

    def _start(self) -> None:
        if not self.busy:
            self._task = asyncio.create_task(self._write())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing may wait for a task that is gone."""
        if task.cancelled():
            self._give_up(StoreUnavailableError("the service is closing"))
        elif (error := task.exception()) is not None:
            self._give_up(error)
        self._told()

    async def _write(self) -> None:
        backoff = _backoff()
        while self._queue:
            before = self._current.revision
            error = None
            self._abandon_old()
            try:
                await self._write_group()
            except StoreUnavailableError as exc:
                error = exc
            if self._drop_applied() or self._current.revision > before:
                backoff = _backoff()
            elif backoff.is_over or (error and not self._any_sent()):
                self._give_up(error or StoreUnavailableError("the log shows no appended entry"))
            elif error or self._any_sent():
                await backoff.pause()

    def _abandon_old(self) -> None:
        error = StoreUnavailableError("an append took too long and was given up")
        for wanted in list(self._queue.values()):
            if self._wall() - (wanted.tried_since or inf) > self._append_s:
                self._fail(wanted, error)

    async def _write_group(self) -> None:
        fold = await self._current.loaded()
        await self._look_up()
        group = self._group()
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
        """Repeats the same insert until its outcome is known: all in, or a revision taken."""
        backoff = _backoff()
        while True:
            try:
                await self._log.insert(self._kb, first, [wanted.entry for wanted in group])
            except StoreUnavailableError as error:
                if isinstance(error, OutcomeUnknownError):
                    _mark_sent(group)
                if not any(wanted.sent for wanted in group):
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
        """Read the log again after a reply: own entries, those of others, and the one before them,
        which a store that went back to a backup does not have."""
        after = position.revision
        tail = await self._log.tail(self._kb, before(position), limit=CHUNK)
        if is_other_history(fold.incarnation, after, tail) or not _continues(tail, position):
            trimmed = tail.head.trimmed if tail.head else 0
            await self._withdraw(fold, after + 1, group, trimmed)
        else:
            await self._current.take(fold, after, tail)

    async def _withdraw(
        self, fold: Fold, first: int, group: list[PendingEntry], trimmed: int
    ) -> None:
        """Take back what went into trimmed ground, or behind the end of another history."""
        end = (await self._current.reloaded(fold)).revision
        tokens = {first + i: wanted.entry.token for i, wanted in enumerate(group)}
        stray = {r: token for r, token in tokens.items() if r <= trimmed or r > end}
        await self._log.delete(self._kb, stray)

    async def _look_up(self) -> None:
        """Find entries that may be in the log already, unseen by the fold."""
        doubtful = [wanted for wanted in self._queue.values() if wanted.needs_lookup]
        if not doubtful:
            return
        for wanted in doubtful:
            wanted.needs_lookup = False
        try:
            found = await self._revisions(doubtful)
            if found and max(found.values()) > self._current.revision:
                await self._current.catch_up()
            if found and max(found.values()) > self._current.revision:
                raise StoreUnavailableError("the knowledge log does not show what it holds")
            there = [
                (found[wanted.entry.token], wanted)
                for wanted in doubtful
                if wanted.applied is None and wanted.entry.token in found
            ]
            for wanted, applied in await self._replayed(there):
                if wanted.applied is None:
                    wanted.complete(applied)
        except StoreUnavailableError:
            for wanted in doubtful:
                wanted.needs_lookup = True
            raise

    async def _revisions(self, doubtful: list[PendingEntry]) -> dict[str, int]:
        """Where the log holds these entries, by token."""
        tokens = {wanted.entry.token for wanted in doubtful}
        found: dict[str, int] = {}
        async for revision, entry in self._read(min(wanted.since for wanted in doubtful)):
            if entry.token in tokens:
                found[entry.token] = revision
        return found

    async def _replayed(
        self, there: Sequence[tuple[int, PendingEntry]]
    ) -> Sequence[tuple[PendingEntry, Applied]]:
        """What entries did at their own revisions, which the fold has passed; no more is known than
        that they are in where the log is long, or was trimmed."""
        unknown = [(wanted, Applied(wanted.entry, at, None)) for at, wanted in there]
        names = {subject(wanted.entry) for _, wanted in there} - {None}
        last = max((at for at, _ in there), default=0)
        if not names or last > REPLAYED_ENTRIES or await self._is_trimmed():
            return unknown
        replay, outcomes = Fold(PlainPatterns()), dict[int, Applied]()
        async for at, entry in self._read(0):
            if at > last:
                break
            if isinstance(entry, Clear) or subject(entry) in names:
                outcomes[at] = replay.apply(at, entry)
            elif isinstance(entry, Import | Statistics):
                replay.imports.admit(entry)
        if await self._is_trimmed():
            return unknown
        return [(wanted, outcomes.get(applied.revision, applied)) for wanted, applied in unknown]

    async def _is_trimmed(self) -> bool:
        head = await self._log.head(self._kb)
        return head is None or head.trimmed > 0

    async def _read(self, after: int) -> AsyncIterator[tuple[int, Entry]]:
        sizes = PageSizes(PAGE_SYMBOLS)
        while True:
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.had(tail.symbols)
            for revision, entry in tail.entries:
                yield revision, entry
            if not tail.more or tail.head is None:
                return
            after = tail.entries[-1][0] if tail.entries else tail.head.trimmed

    def _group(self) -> list[PendingEntry]:
        """What goes in together: a token once, bounded in entries and symbols."""
        group: list[PendingEntry] = []
        symbols = 0
        for wanted in self._queue.values():
            if wanted.applied is not None or wanted.needs_lookup:
                continue
            symbols += symbol_count(wanted.entry)
            if group and (len(group) >= GROUP_ENTRIES or symbols > GROUP_SYMBOLS):
                break
            group.append(wanted)
        return group

    def _any_sent(self) -> bool:
        return any(wanted.sent for wanted in self._queue.values())

    def _drop_applied(self) -> bool:
        """Whether some were."""
        applied = [wanted for wanted in self._queue.values() if wanted.applied is not None]
        for wanted in applied:
            self._drop(wanted)
        return bool(applied)

    def _give_up(self, error: BaseException) -> None:
        """Answer everything that waits; what was sent may still come in, so it is looked up
        before it is ever sent again."""
        for wanted in list(self._queue.values()):
            self._fail(wanted, error)

    def _fail(self, wanted: PendingEntry, error: BaseException) -> None:
        wanted.needs_lookup = wanted.sent
        wanted.fail(_unknown(error) if wanted.sent else error)
        self._drop(wanted)

    def _drop(self, wanted: PendingEntry) -> None:
        del self._queue[wanted.entry.token]
        self._wanted.release([wanted])


def _mark_sent(group: list[PendingEntry]) -> None:
    for wanted in group:
        wanted.sent = True


def _unknown(error: BaseException) -> BaseException:
    if isinstance(error, StoreUnavailableError):
        return OutcomeUnknownError(f"an entry was not confirmed: {error.message}")
    return error


def _continues(tail: Tail, position: Position) -> bool:
    """An entry that may be trimmed away says nothing."""
    return is_trimmed(tail, position) or goes_through(tail, position)


def _backoff() -> Backoff:
    return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=PATIENCE_S)
