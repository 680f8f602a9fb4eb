"""Which patterns the views do not show yet as the fold has them."""

from collections.abc import Iterable

from kato_service.knowledge.model.entries import Clear, Entry, subject

MAX_NAMES = 100_000
NAME_BYTES = 200
"""Of one name and its place, estimated."""


class DirtyPatterns:
    """Names of the patterns that entries changed; beyond a number it is just all of them."""

    def __init__(self) -> None:
        self.all = False
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def memory_bytes(self) -> int:
        return NAME_BYTES * len(self._names)

    def note(self, entry: Entry) -> None:
        """*entry* was applied, or is part of what the fold was made from."""
        name = subject(entry)
        if isinstance(entry, Clear):
            self.all, self._names = False, {}
        elif name is not None:
            self._add((name,))

    def taken(self) -> "DirtyPatterns":
        """What there is; nothing stays."""
        others = DirtyPatterns()
        others.all, others._names = self.all, self._names
        self.all, self._names = False, {}
        return others

    def take_back(self, others: "DirtyPatterns") -> None:
        self.all = self.all or others.all
        self._add(others._names)

    def _add(self, names: Iterable[str]) -> None:
        if not self.all:
            self._names.update(dict.fromkeys(names))
            self.all = len(self._names) > MAX_NAMES
        if self.all:
            self._names = {}
