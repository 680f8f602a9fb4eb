"""The fold this process keeps of one log: loaded, caught up, loaded again when it must."""

import asyncio
from collections.abc import Callable

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import (
    before,
    goes_through,
    is_other_history,
    is_trimmed,
)
from kato_service.knowledge.replica.following import (
    apply_run,
)
from kato_service.knowledge.replica.loading import (
    ATTEMPTS,
    FoldLoader,
)
from kato_service.knowledge.replica.page_sizes import PAGE_SYMBOLS, PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.replica.read_write_lock import ReadWriteLock
from kato_service.knowledge.snapshots.snapshots import Snapshots

log = structlog.get_logger()


class CurrentFold:
    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        wanted: PendingEntries,
        lagging: Callable[[int], None] = lambda _entries: None,
    ) -> None:
        """*lagging* is told how many entries the views do not show, whenever that grew."""
        self.gate = ReadWriteLock()
        """Held for reading by whoever uses the fold, for changing by whoever applies to it."""
        self.fold: Fold | None = None
        self._kb = kb
        self._log = log
        self._loader = FoldLoader(kb, log, new_index)
        self._wanted = wanted
        self._lagging = lagging
        self._snapshots: Snapshots | None = None
        self._loading = asyncio.Lock()

    def start_from(self, snapshots: Snapshots | None) -> None:
        self._snapshots = self._loader.snapshots = snapshots

    @property
    def revision(self) -> int:
        return 0 if self.fold is None else self.fold.revision

    @property
    def lag(self) -> int:
        """Entries that the views do not show, as far as is known here."""
        return 0 if self.fold is None else max(0, self.fold.revision - self.fold.checkpoint)

    def unload(self) -> None:
        """Forget the fold: who asks next loads it anew, and looks wanted entries up."""
        self.fold = None

    async def loaded(self) -> Fold:
        return self.fold or await self.reloaded(None)

    async def reloaded(self, outdated: Fold | None) -> Fold:
        """The fold anew from the store, unless somebody replaced *outdated* already."""
        async with self._loading:
            if self.fold is None or self.fold is outdated:
                self.fold = await self._loader.load(self._wanted)
                self._wanted.must_look_up()
                self._tell()
            return self.fold

    async def catch_up(self) -> None:
        """Apply everything that was acknowledged before this call.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        idle_rounds = 0
        sizes = PageSizes(PAGE_SYMBOLS)
        while idle_rounds < ATTEMPTS:
            fold = await self.loaded()
            after = fold.revision
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.had(tail.symbols)
            if await self.take(fold, after, tail) and not tail.more:
                return
            idle_rounds = idle_rounds + 1 if fold.revision == after else 0
        raise StoreUnavailableError("the knowledge log cannot be followed")

    async def take(self, fold: Fold, after: int, tail: Tail) -> bool:
        """Apply to *fold* what a read behind revision *after* found.

        Returns:
            False where the fold was replaced: look again.
        """
        if self.fold is not fold:
            return False
        if is_other_history(fold.incarnation, after, tail):
            await self.reloaded(fold)
            return False
        if tail.head is not None:
            fold.checkpoint = max(fold.checkpoint, tail.head.checkpoint)
        if tail.entries and tail.entries[-1][0] > fold.revision:
            async with self.gate.changing():
                await apply_run(fold, tail.entries, self._wanted.note)
            self._tell()
        return True

    async def check(self) -> None:
        """Load anew if the store went back to an older backup, or is another one by now.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        fold = self.fold
        if fold is None:
            return
        async with self.gate.reading():
            position = fold.position
        tail = await self._log.tail(self._kb, before(position), limit=1)
        if goes_through(tail, position) or self.fold is not fold:
            return
        # Another process may have written the first entry, or what was trimmed since.
        if position.incarnation and not is_trimmed(tail, position):
            log.warning(
                "knowledge base changed behind this process",
                processor_id=self._kb,
                revision=position.revision,
            )
        await self.reloaded(fold)

    async def save_snapshot(self, *, at_the_end: bool) -> None:
        """Write its file if that is due."""
        fold, snapshots = self.fold, self._snapshots
        if fold is None or snapshots is None:
            return
        if snapshots.is_due(self._kb, fold, at_the_end=at_the_end):
            async with self.gate.reading():
                captured = snapshots.capture(self._kb, fold)
            if captured is not None:
                await snapshots.save(captured)

    def _tell(self) -> None:
        if self.lag:
            self._lagging(self.lag)
