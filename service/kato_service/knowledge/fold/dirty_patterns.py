"""The dirty set: patterns whose views are older than the fold."""

from collections.abc import Iterable

from kato_service.knowledge.limits import DEFAULT_LIMITS
from kato_service.knowledge.model.entries import Clear, Entry, subject

NAME_BYTES = 200
"""Estimated size of one name and its place in the dictionary."""


class DirtyPatterns:
    """Names of the patterns that entries changed; beyond *max_names* simply all patterns."""

    def __init__(self, max_names: int = DEFAULT_LIMITS.dirty_patterns) -> None:
        self.all = False
        """Every pattern may be dirty, and none is listed."""
        self._max_names = max_names
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def memory_bytes(self) -> int:
        return NAME_BYTES * len(self._names)

    def add(self, entry: Entry) -> None:
        """Mark what *entry* changed. A clear leaves no pattern, so nothing is dirty after it."""
        name = subject(entry)
        if isinstance(entry, Clear):
            self.all, self._names = False, {}
        elif name is not None and not self.all:
            self._names[name] = None
            self._bound()

    def take(self) -> "DirtyPatterns":
        """Move everything into a new set, to be written; this one is empty afterwards."""
        taken = DirtyPatterns(self._max_names)
        taken.all, taken._names = self.all, self._names
        self.all, self._names = False, {}
        return taken

    def put_back(self, taken: "DirtyPatterns") -> None:
        """Add what could not be written."""
        self.all = self.all or taken.all
        self._add(taken._names)

    def _add(self, names: Iterable[str]) -> None:
        if not self.all:
            self._names.update(dict.fromkeys(names))
        self._bound()

    def _bound(self) -> None:
        self.all = self.all or len(self._names) > self._max_names
        if self.all:
            self._names = {}
