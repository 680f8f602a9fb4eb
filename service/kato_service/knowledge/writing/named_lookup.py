"""Finds the named entries of a log for its fold, before the first line with an id is appended."""

import asyncio

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.named_entries import NamedEntries
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.replica.turns import Turns


class NamedLookup:
    """Reads the tokens that a log still holds, once for each fold; applying notes later ones."""

    def __init__(self, kb: str, log: KnowledgeLog, limits: KnowledgeLimits) -> None:
        self._kb = kb
        self._log = log
        self._limits = limits
        self._reading = asyncio.Lock()

    async def complete(self, fold: Fold) -> None:
        """Return when *fold* has all named entries up to its revision, now and from now on.

        Raises:
            StoreUnavailableError: The log did not answer, or does not show what *fold* has seen.
        """
        if fold.named is not None and fold.named.is_complete:
            return
        async with self._reading:
            if fold.named is not None and fold.named.is_complete:
                return
            # From here on the fold notes what it applies; what is before is read.
            fold.named = named = NamedEntries()
            await self._read(named, fold.erased, fold.revision)
            named.is_complete = True

    async def _read(self, named: NamedEntries, erased: int, until: int) -> None:
        turns = Turns()
        after = max(erased, await self._trimmed())
        while after < until:
            rows = await self._log.tokens(self._kb, after, until, limit=self._limits.token_page)
            for revision, token, pattern in rows:
                if revision != after + 1:
                    break
                named.note(revision, token, pattern)
                after = revision
                await turns.give()
            else:
                if rows:
                    continue
            # The next entry is missing: it was trimmed meanwhile, or the store shows another log.
            trimmed = await self._trimmed()
            if trimmed <= after:
                raise StoreUnavailableError("the knowledge log does not show what it holds")
            after = trimmed

    async def _trimmed(self) -> int:
        head = await self._log.head(self._kb)
        return 0 if head is None else head.trimmed
