"""Reading, editing and deleting the patterns of a knowledge base (processor.md §8)."""

import asyncio
from collections.abc import Sequence

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Emotives, Pattern
from kato_service.errors import LimitExceededError, OutcomeUnknownError, PatternNotFoundError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Applied, Delete, Entry, Update
from kato_service.knowledge.model.reading import PatternPage
from kato_service.processing.observation_processor import check_emotives
from kato_service.processing.pattern_processor import new_token


class PatternOperations:
    def __init__(self, knowledge: KnowledgeBases) -> None:
        self._knowledge = knowledge

    async def get_pattern(self, kb: str, name: str, *, deadline: Deadline) -> Pattern:
        """The pattern with the bare *name*.

        Raises:
            PatternNotFoundError: The knowledge base has none.
        """
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            pattern = knowledge.patterns.get(name)
        if pattern is None:
            raise _unknown()
        return pattern

    async def count(self, kb: str, *, deadline: Deadline) -> int:
        """How many patterns the knowledge base has."""
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            return len(knowledge.patterns)

    async def list_patterns(
        self, kb: str, *, limit: int, after: int, deadline: Deadline
    ) -> PatternPage:
        """Up to *limit* patterns in the order of their first learn.

        Args:
            after: Only patterns first learned after this revision.
        """
        async with self._knowledge.get(kb).reading(deadline=deadline) as knowledge:
            return await asyncio.to_thread(knowledge.page, after=after, limit=limit)

    async def update_pattern(
        self,
        kb: str,
        name: str,
        *,
        frequency: int | None,
        emotives: Sequence[Emotives] | None,
        persistence: int,
        deadline: Deadline,
    ) -> Pattern:
        """The pattern right after the edit; what is None stays as it is.

        *deadline* ends only the reads: once the edit is sent to the log, its outcome is waited for.

        Raises:
            PatternNotFoundError: The knowledge base has no pattern of that name.
            LimitExceededError: There are more emotive maps than *persistence* keeps.
        """
        _check_emotives(emotives or (), persistence)
        known = await self.get_pattern(kb, name, deadline=deadline)
        if frequency is None and emotives is None:
            return known
        window = None if emotives is None else tuple(dict(given) for given in emotives)
        applied = await self._append(kb, Update(new_token(), name, frequency, window), deadline)
        return applied.pattern or await self.get_pattern(kb, name, deadline=deadline)

    async def delete_pattern(self, kb: str, name: str, *, deadline: Deadline) -> Pattern | None:
        """Delete a pattern; the symbol statistics keep what its learns counted.

        Returns:
            The pattern as the delete found it; None if that is no longer known.

        Raises:
            PatternNotFoundError: The knowledge base has none of that name.
        """
        await self.get_pattern(kb, name, deadline=deadline)
        return (await self._append(kb, Delete(new_token(), name), deadline)).pattern

    async def _append(self, kb: str, entry: Entry, deadline: Deadline) -> Applied:
        base = self._knowledge.get(kb)
        since = await base.tail(deadline=deadline)
        try:
            (applied,) = await base.append((entry,), since=since)
        except OutcomeUnknownError as error:
            raise OutcomeUnknownError(
                f"{error.message}; outcome unknown, repeating is safe"
            ) from error
        # Another request may have deleted the pattern since it was read.
        if not applied.met:
            raise _unknown()
        return applied


def _check_emotives(maps: Sequence[Emotives], persistence: int) -> None:
    if len(maps) > persistence:
        reason = f"must have at most {persistence} maps; send fewer, or raise the gene persistence"
        raise LimitExceededError.at("emotives", reason=reason)
    for position, given in enumerate(maps):
        check_emotives(given, "emotives", position)


def _unknown() -> PatternNotFoundError:
    return PatternNotFoundError("pattern not found: this knowledge base has none of that name")
