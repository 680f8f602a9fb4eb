"""The fold this process keeps of one log: loaded, caught up, loaded again when it must."""

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.entries import Applied, Entry, symbol_count
from kato_service.knowledge.fold import Fold
from kato_service.knowledge.gate import Gate
from kato_service.knowledge.index import PatternIndex
from kato_service.knowledge.log import KnowledgeLog, Tail
from kato_service.knowledge.registry import WantedEntries

log = structlog.get_logger()

CHUNK = 1000
"""Entries per read."""
SLICE_S = 0.005
"""Seconds of folding after which the event loop gets a turn."""
AT_ONCE_SYMBOLS = 500
"""Entries of more are folded in a thread: one of them takes longer than a slice."""
ATTEMPTS = 8
"""Reads in a row that brought nothing before a log counts as unreadable."""


class CurrentFold:
    def __init__(
        self,
        kb: str,
        log: KnowledgeLog,
        new_index: Callable[[], PatternIndex],
        wanted: WantedEntries,
    ) -> None:
        self.gate = Gate()
        """Held for reading by whoever uses the fold, for changing by whoever applies to it."""
        self.fold: Fold | None = None
        self._kb = kb
        self._log = log
        self._new_index = new_index
        self._wanted = wanted
        self._loading = asyncio.Lock()

    @property
    def revision(self) -> int:
        return 0 if self.fold is None else self.fold.revision

    def unload(self) -> None:
        """Forget the fold: who asks next loads it anew, and looks wanted entries up."""
        self.fold = None

    async def loaded(self) -> Fold:
        return self.fold or await self.reloaded(None)

    async def reloaded(self, outdated: Fold | None) -> Fold:
        """The fold anew from the store, unless somebody replaced *outdated* already."""
        async with self._loading:
            if self.fold is None or self.fold is outdated:
                self.fold = await self._load()
                self._wanted.must_look_up()
            return self.fold

    async def catch_up(self) -> None:
        """Apply everything that was acknowledged before this call.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        idle_rounds = 0
        while idle_rounds < ATTEMPTS:
            fold = await self.loaded()
            after = fold.revision
            tail = await self._log.tail(self._kb, after, limit=CHUNK)
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
        if is_other_history(fold, after, tail):
            await self.reloaded(fold)
            return False
        if tail.entries and tail.entries[-1][0] > fold.revision:
            async with self.gate.changing():
                await self._apply(fold, tail.entries)
        return True

    async def _apply(self, fold: Fold, entries: Iterable[tuple[int, Entry]]) -> bool:
        """Fold in the unbroken run behind the fold's revision; False where it breaks."""
        slice_end = time.monotonic() + SLICE_S
        for revision, entry in entries:
            if revision > fold.revision + 1:
                return False
            if revision == fold.revision + 1:
                self._wanted.note(await _folded(fold, revision, entry))
            if time.monotonic() > slice_end:
                await asyncio.sleep(0)
                slice_end = time.monotonic() + SLICE_S
        return True

    async def _load(self) -> Fold:
        started = time.monotonic()
        for _ in range(ATTEMPTS):
            head = await self._log.head(self._kb)
            fold = Fold(self._new_index(), incarnation=head.incarnation if head else "")
            if await self._fill(fold):
                elapsed_ms = round((time.monotonic() - started) * 1000, 1)
                log.info(
                    "knowledge base loaded",
                    processor_id=self._kb,
                    revision=fold.revision,
                    patterns=len(fold.patterns),
                    elapsed_ms=elapsed_ms,
                )
                return fold
        raise StoreUnavailableError("the knowledge log changed while it was loaded")

    async def _fill(self, fold: Fold) -> bool:
        """Fold the whole log in, up to a gap that a read beside a writer may show.

        Returns:
            False where it was trimmed or replaced meanwhile: start over.
        """
        start = fold.revision
        while True:
            tail = await self._log.tail(self._kb, fold.revision, limit=CHUNK)
            if is_other_history(fold, start, tail):
                return False
            unbroken = await self._apply(fold, tail.entries)
            if not unbroken or not tail.more:
                return True


async def _folded(fold: Fold, revision: int, entry: Entry) -> Applied:
    if symbol_count(entry) <= AT_ONCE_SYMBOLS:
        return fold.apply(revision, entry)
    return await asyncio.to_thread(fold.apply, revision, entry)


def is_other_history(fold: Fold, after: int, tail: Tail) -> bool:
    """Whether a read behind revision *after* cannot continue *fold*."""
    if tail.head is None:
        return bool(fold.incarnation)
    return tail.head.incarnation != fold.incarnation or tail.head.trimmed > after
