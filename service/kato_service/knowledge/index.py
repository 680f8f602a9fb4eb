"""The port to where a fold keeps its patterns, so that they can be searched (search/)."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from kato_service.domain.pattern import Pattern


class PatternIndex(Protocol):
    """The patterns of one fold that are alive, in the order of their first learn."""

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        """Add a pattern, or replace the one of its name, whose events are the same.

        Args:
            pattern: A new one has a greater ``first`` than every one before.
            learns: How often its symbols are to be counted once more.
        """

    def get(self, name: str) -> Pattern | None: ...

    def remove(self, name: str) -> None:
        """Drop a pattern, not what its symbols were counted; unknown names are no error."""

    def clear(self) -> None: ...

    def __len__(self) -> int: ...

    def memory_bytes(self) -> int:
        """What all of it takes, estimated in an instant; not what the symbols take as strings
        where patterns share them (the fold counts each symbol once)."""

    def after(self, first: int) -> Iterator[Pattern]:
        """Those first learned behind revision *first*, in that order."""


class IndexedPatterns(Mapping[str, Pattern]):
    """An index by bare name; it always shows what the index holds now."""

    def __init__(self, index: PatternIndex) -> None:
        self._index = index

    def __getitem__(self, name: str) -> Pattern:
        pattern = self._index.get(name)
        if pattern is None:
            raise KeyError(name)
        return pattern

    def __iter__(self) -> Iterator[str]:
        return (pattern.name for pattern in self._index.after(-1))

    def __len__(self) -> int:
        return len(self._index)
