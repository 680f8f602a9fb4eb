"""The patterns of the compiled engine's index at one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kato_service.domain.pattern import Pattern
from kato_service.search import _engine
from kato_service.search.pattern_extras import ExtrasCopy

PAGE = 16
"""Patterns that are made at once."""


@dataclass(frozen=True, slots=True)
class CompiledCopy:
    """Names, events and counts from a frozen copy of the engine, which shares its memory."""

    dump: "_engine.Dump"
    extras: ExtrasCopy
    size: int
    """Living patterns."""

    def __len__(self) -> int:
        return self.size

    def pages(self) -> Iterator[Sequence[Pattern]]:
        segments, *_ = self.dump.sizes()
        for segment in range(segments):
            start, is_over = 0, False
            while not is_over:
                rows, start = self.dump.patterns(segment, start, PAGE)
                is_over = not start
                yield [self.extras.of(row[0]).pattern(*row) for row in rows]
