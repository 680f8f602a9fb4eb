"""Deletes the patterns that fit a filter, in groups (http-api.md §6).

Every group is durable by itself, so what stops a deletion leaves the rest; repeating it deletes
that. Patterns that are first learned after it began are left alone, so it ends.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from kato_service.domain.deadline import Deadline
from kato_service.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    StoreUnavailableError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Delete
from kato_service.knowledge.model.pattern_filter import PatternFilter
from kato_service.users.pattern_search import PatternSearch

GROUP = 500
"""Patterns that are deleted together: one insert into the log."""
TOKEN_BYTES = 16
LONGEST_S = 10.0
"""Seconds after which a request ends although there may be more."""


@dataclass(slots=True)
class Deleted:
    matched: int = 0
    """Patterns that fitted when they were looked at."""
    deleted: int = 0
    """Of those; fewer if other requests were faster."""
    reached: int | None = None
    """Where to continue; None: there are no more."""


class BulkDeletion:
    def __init__(
        self,
        knowledge: KnowledgeBases,
        search: PatternSearch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._knowledge = knowledge
        self._search = search
        self._clock = clock

    async def run(
        self,
        kb: str,
        wanted: PatternFilter,
        *,
        dry_run: bool,
        most: int,
        place: int | None,
        deadline: Deadline,
    ) -> Deleted:
        """Delete up to *most* patterns that fit.

        *deadline* ends only the reads: a group that is sent to the log is waited for.

        Args:
            dry_run: Only count them.
            place: ``reached`` of the request before; None: from the beginning.

        Raises:
            OutcomeUnknownError: Some of a group may be deleted, or may still be; repeating is safe.
        """
        done = Deleted(reached=place)
        ends_at = self._clock() + min(LONGEST_S, deadline.remaining_s() / 2)
        async with self._knowledge.get(kb).reading(deadline=deadline) as reading:
            before = min(wanted.first.before, reading.revision + 1)
        wanted = replace(wanted, first=replace(wanted.first, before=before))
        while True:
            limit = min(GROUP, most - done.matched)
            try:
                await self._group(kb, wanted, done, limit, dry_run=dry_run, deadline=deadline)
            except (StoreUnavailableError, DeadlineExceededError) as error:
                if not done.deleted:
                    raise
                raise OutcomeUnknownError(
                    f"{done.deleted} patterns are deleted, but then: {error.message}; repeating is"
                    " safe"
                ) from error
            over = done.matched >= most or self._clock() > ends_at
            if done.reached is None or over:
                return done

    async def _group(
        self,
        kb: str,
        wanted: PatternFilter,
        done: Deleted,
        limit: int,
        *,
        dry_run: bool,
        deadline: Deadline,
    ) -> None:
        page = await self._search.page(
            kb,
            wanted,
            limit=limit,
            place=done.reached,
            newest_first=False,
            deadline=deadline,
        )
        names = [pattern.name for pattern in page.patterns]
        if names and not dry_run:
            done.deleted += await self._delete(kb, names, deadline)
        done.matched += len(names)
        done.reached = page.reached

    async def _delete(self, kb: str, names: list[str], deadline: Deadline) -> int:
        base = self._knowledge.get(kb)
        entries = [Delete(secrets.token_hex(TOKEN_BYTES), name) for name in names]
        since = await base.tail(deadline=deadline)
        try:
            applied = await base.append(entries, since=since)
        except OutcomeUnknownError as error:
            raise OutcomeUnknownError(
                f"{error.message}; outcome unknown, repeating is safe"
            ) from error
        return sum(one.met for one in applied)
