"""The unbroken run of entries after a revision, folded in beside the event loop."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from kato_service.knowledge.model.entries import Applied, Entry, symbol_count
from kato_service.knowledge.replica.turns import Turns

AT_ONCE_SYMBOLS = 500
"""Entries of more are folded in a thread: one of them takes longer than a slice."""
Note = Callable[[Applied], None]


class Folding(Protocol):
    """What takes entries in order."""

    @property
    def revision(self) -> int: ...
    def apply(self, revision: int, entry: Entry) -> Applied | None: ...


async def apply_run(folding: Folding, entries: Iterable[tuple[int, Entry]], note: Note) -> bool:
    """Fold in the unbroken run behind the fold's revision; False where it breaks."""
    turns = Turns()
    for revision, entry in entries:
        if revision > folding.revision + 1:
            return False
        if revision == folding.revision + 1:
            applied = await _folded(folding, revision, entry)
            if applied is not None:
                note(applied)
        await turns.give()
    return True


async def _folded(folding: Folding, revision: int, entry: Entry) -> Applied | None:
    if symbol_count(entry) <= AT_ONCE_SYMBOLS:
        return folding.apply(revision, entry)
    return await asyncio.to_thread(folding.apply, revision, entry)
