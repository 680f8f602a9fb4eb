"""The fold that this process keeps of one log: loaded, caught up, and reloaded when it must be."""

import asyncio
from collections.abc import Callable

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import (
    before,
    goes_through,
    is_other_history,
    is_trimmed,
)
from kato_service.knowledge.replica.following import apply_run
from kato_service.knowledge.replica.loading import ATTEMPTS, FoldLoader
from kato_service.knowledge.replica.page_sizes import PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.replica.read_write_lock import ReadWriteLock

log = structlog.get_logger()


class CurrentFold:
    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        loader: FoldLoader,
        pending: PendingEntries,
        limits: KnowledgeLimits = DEFAULT_LIMITS,
        on_lag: Callable[[int], None] = lambda _entries: None,
    ) -> None:
        """*on_lag* is called with how many entries the views do not show, whenever that grew."""
        self.lock = ReadWriteLock()
        """Held for reading by whoever uses the fold, for changing by whoever applies entries."""
        self.fold: Fold | None = None
        """Replaced as a whole by a reload, so that readers of the old one are undisturbed."""
        self._kb = kb
        self._log = log
        self._loader = loader
        self._pending = pending
        self._limits = limits
        self._on_lag = on_lag
        self._loading = asyncio.Lock()
        self.user: str | None = None
        """Whose knowledge base it is, as far as requests have said."""

    @property
    def revision(self) -> int:
        return 0 if self.fold is None else self.fold.revision

    @property
    def lag(self) -> int:
        """Entries that the views do not show, as far as this process knows."""
        return 0 if self.fold is None else max(0, self.fold.revision - self.fold.checkpoint)

    def unload(self) -> None:
        """Forget the fold: the next use loads it, and looks the pending entries up."""
        self.fold = None

    async def loaded(self) -> Fold:
        return self.fold or await self.reloaded(None)

    async def reloaded(self, outdated: Fold | None) -> Fold:
        """The fold loaded again from the store, unless *outdated* was replaced already."""
        # Everybody who meets an outdated fold ends up here, so the first loads for all of them.
        async with self._loading:
            if self.fold is None or self.fold is outdated:
                self.fold = await self._loader.load(self._pending)
                self._pending.require_lookup()
                self._report_lag()
            return self.fold

    async def created(self, missing: Fold) -> Fold:
        """The fold of the log, which is created in place of *missing*."""
        await self._log.create(self._kb, self.user)
        return await self.reloaded(missing)

    async def named(self, fold: Fold) -> None:
        """Note in the log whose it is, if an earlier version created it, or took the name out."""
        if fold.user is None and self.user is not None:
            await self._log.name(self._kb, fold.incarnation, self.user)
            fold.user = self.user

    async def catch_up(self) -> None:
        """Apply everything that was acknowledged before this call.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        idle_rounds = 0
        sizes = PageSizes(self._limits.page_symbols, self._limits)
        while idle_rounds < ATTEMPTS:
            fold = await self.loaded()
            after = fold.revision
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.record(tail.symbols)
            if await self.take(fold, after, tail) and not tail.more:
                return
            # A round without progress met a gap, or a store that is being replaced. Either ends
            # soon, or the log is broken.
            idle_rounds = idle_rounds + 1 if fold.revision == after else 0
        raise StoreUnavailableError("the knowledge log cannot be followed")

    async def take(self, fold: Fold, after: int, tail: Tail) -> bool:
        """Apply to *fold* what a read after revision *after* found.

        Returns:
            False if the fold was replaced: read again.
        """
        if self.fold is not fold:
            return False
        if is_other_history(fold.incarnation, after, tail):
            await self.reloaded(fold)
            return False
        if tail.head is not None:
            fold.checkpoint = max(fold.checkpoint, tail.head.checkpoint)
            if fold.named is not None:
                fold.named.forget(tail.head.trimmed)
            fold.erased = max(fold.erased, tail.head.erased)
            fold.user = tail.head.user
        # Reads overlap: without this look every read of a busy log would stop all readers.
        if tail.entries and tail.entries[-1][0] > fold.revision:
            async with self.lock.changing():
                await apply_run(fold, tail.entries, self._pending.complete)
            self._report_lag()
        return True

    async def check(self) -> None:
        """Reload if the store went back to an older backup, or was replaced by another one.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        fold = self.fold
        if fold is None:
            return
        async with self.lock.reading():
            position = fold.position
        tail = await self._log.tail(self._kb, before(position), limit=1)
        if goes_through(tail, position) or self.fold is not fold:
            return
        # No warning is due where another process wrote the first entry, trimmed the log, or erased
        # all of it.
        erased = tail.head is None and fold.erased == position.revision
        if position.incarnation and not erased and not is_trimmed(tail, position):
            log.warning(
                "knowledge base replaced in its store",
                processor_id=self._kb,
                revision=position.revision,
            )
        await self.reloaded(fold)

    def _report_lag(self) -> None:
        if self.lag:
            self._on_lag(self.lag)
