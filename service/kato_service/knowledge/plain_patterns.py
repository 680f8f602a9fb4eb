"""Patterns in a dictionary: the index of folds that nobody searches, and tests' yardstick."""

from collections.abc import Iterator

from kato_service.domain.pattern import Pattern


class PlainPatterns:
    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        self.patterns[pattern.name] = pattern

    def get(self, name: str) -> Pattern | None:
        return self.patterns.get(name)

    def remove(self, name: str) -> None:
        self.patterns.pop(name, None)

    def clear(self) -> None:
        self.patterns.clear()

    def __len__(self) -> int:
        return len(self.patterns)

    def after(self, first: int) -> Iterator[Pattern]:
        return (pattern for pattern in self.patterns.values() if pattern.first > first)
