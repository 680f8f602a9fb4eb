"""Finds pending entries in the log by their tokens, where the fold has passed them unnoticed."""

from collections.abc import AsyncIterator, Collection, Sequence

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Clear, Entry, Import, Statistics, subject
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.replica.current_fold import CurrentFold
from kato_service.knowledge.replica.page_sizes import PageSizes
from kato_service.knowledge.replica.pending_entries import PendingEntry


class TokenLookup:
    """Entries come to be looked up when they may be in the log without this process knowing: it
    completes somebody's intent, gave up on an insert, or reloaded its fold."""

    def __init__(
        self, kb: str, log: KnowledgeLog, current: CurrentFold, limits: KnowledgeLimits
    ) -> None:
        self._kb = kb
        self._log = log
        self._current = current
        self._limits = limits

    async def complete(self, queue: Collection[PendingEntry]) -> None:
        """Complete those that need a look-up and are in the log; the others may be sent then.

        Raises:
            StoreUnavailableError: The log did not answer; they still need a look-up.
        """
        doubtful = [pending for pending in queue if pending.needs_lookup]
        if not doubtful:
            return
        # Reset before the first await: a reload during the look-up asks for another one.
        for pending in doubtful:
            pending.needs_lookup = False
        try:
            await self._complete_found(doubtful)
        except StoreUnavailableError:
            for pending in doubtful:
                pending.needs_lookup = True
            raise

    async def _complete_found(self, doubtful: list[PendingEntry]) -> None:
        found = await self._revisions(doubtful)
        # Catching up completes those that the fold has not reached yet.
        if found and max(found.values()) > self._current.revision:
            await self._current.catch_up()
        if found and max(found.values()) > self._current.revision:
            raise StoreUnavailableError("the knowledge log does not show what it holds")
        passed = [
            (found[pending.entry.token], pending)
            for pending in doubtful
            if pending.applied is None and pending.entry.token in found
        ]
        for pending, applied in await self._replayed(passed):
            if pending.applied is None:
                pending.complete(applied)

    async def _revisions(self, doubtful: list[PendingEntry]) -> dict[str, int]:
        """By token, where these entries are in the log."""
        tokens = {pending.entry.token for pending in doubtful}
        found: dict[str, int] = {}
        async for revision, entry in self._read(min(pending.since for pending in doubtful)):
            if entry.token in tokens:
                found[entry.token] = revision
        return found

    async def _replayed(
        self, passed: Sequence[tuple[int, PendingEntry]]
    ) -> Sequence[tuple[PendingEntry, Applied]]:
        """What entries did at their own revisions, which the fold has passed.

        If the log is long or was trimmed, it is only known that they are in.
        """
        unknown = [(pending, Applied(pending.entry, at, None)) for at, pending in passed]
        names = {subject(pending.entry) for _, pending in passed} - {None}
        last = max((at for at, _ in passed), default=0)
        first = self._current.fold.erased if self._current.fold else 0
        if not names or last - first > self._limits.replayed_entries or await self._is_trimmed():
            return unknown
        # Entries about other patterns make no difference, so only some of the log is folded.
        replay, outcomes = Fold(PlainPatterns()), dict[int, Applied]()
        async for at, entry in self._read(0):
            if at > last:
                break
            if isinstance(entry, Clear) or subject(entry) in names:
                outcomes[at] = replay.apply(at, entry)
            elif isinstance(entry, Import | Statistics):
                replay.imports.admit(entry)
        # A trim during the read may have hidden entries from it.
        if await self._is_trimmed():
            return unknown
        return [(pending, outcomes.get(applied.revision, applied)) for pending, applied in unknown]

    async def _is_trimmed(self) -> bool:
        head = await self._log.head(self._kb)
        # What was before an erasure no longer matters to anything after it.
        return head is None or head.trimmed > head.erased

    async def _read(self, after: int) -> AsyncIterator[tuple[int, Entry]]:
        sizes = PageSizes(self._limits.page_symbols, self._limits)
        while True:
            tail = await self._log.tail(self._kb, after, limit=sizes.limit)
            sizes.record(tail.symbols)
            for revision, entry in tail.entries:
                yield revision, entry
            if not tail.more or tail.head is None:
                return
            after = tail.entries[-1][0] if tail.entries else tail.head.trimmed
