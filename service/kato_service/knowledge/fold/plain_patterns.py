"""Patterns in a dictionary: the index of folds that nobody searches, and the reference in tests."""

from collections.abc import Iterator

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import SymbolCounts
from kato_service.knowledge.fold.footprint import pattern_bytes
from kato_service.knowledge.model.index import UnsavedIndex


class PlainPatterns(UnsavedIndex):
    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self.statistics = SymbolCounts()
        self._bytes = 0

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        self._bytes += pattern_bytes(pattern) - self._bytes_of(pattern.name)
        self.patterns[pattern.name] = pattern
        if learns:
            self.statistics.add_learn(pattern.events, learns)

    def get(self, name: str) -> Pattern | None:
        return self.patterns.get(name)

    def remove(self, name: str) -> None:
        self._bytes -= self._bytes_of(name)
        self.patterns.pop(name, None)

    def clear(self) -> None:
        self.patterns.clear()
        self.statistics = SymbolCounts()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.patterns)

    def memory_bytes(self) -> int:
        return self._bytes + self.statistics.memory_bytes

    def after(self, first: int) -> Iterator[Pattern]:
        return (pattern for pattern in self.patterns.values() if pattern.first > first)

    def _bytes_of(self, name: str) -> int:
        known = self.patterns.get(name)
        return 0 if known is None else pattern_bytes(known)
