"""Folding in the unbroken run of entries after a revision, without blocking the event loop."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from kato_service.knowledge.model.entries import Applied, Entry, symbol_count
from kato_service.knowledge.replica.turns import Turns

INLINE_SYMBOLS = 500
"""Entries with more symbols are folded in a thread: a single one takes longer than a slice."""
OnApplied = Callable[[Applied], None]


class Folding(Protocol):
    """Something that accepts entries in order of revision."""

    @property
    def revision(self) -> int: ...
    def apply(self, revision: int, entry: Entry) -> Applied | None: ...


async def apply_run(
    folding: Folding, entries: Iterable[tuple[int, Entry]], on_applied: OnApplied
) -> bool:
    """Fold in the unbroken run after the fold's revision; entries up to there are skipped.

    Returns:
        False if a revision is missing: what comes after the gap was not folded in.
    """
    turns = Turns()
    for revision, entry in entries:
        if revision > folding.revision + 1:
            return False
        if revision == folding.revision + 1:
            if symbol_count(entry) <= INLINE_SYMBOLS:
                applied = folding.apply(revision, entry)
            else:
                applied = await asyncio.to_thread(folding.apply, revision, entry)
            if applied is not None:
                on_applied(applied)
        if turns.are_over:
            await turns.give()
    return True
