"""The patterns of the compiled engine's index at one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kato_service.domain.pattern import NO_AFFINITY, Event, Pattern
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
                yield [self._pattern(*row) for row in rows]

    def _pattern(
        self, name: str, events: tuple[Event, ...], frequency: int, learns: int
    ) -> Pattern:
        extras = self.extras.of(name)
        return Pattern(
            name=name,
            events=events,
            frequency=frequency,
            learns=learns,
            emotives=extras.emotives,
            metadata=extras.metadata or {},
            affinity=extras.affinity or NO_AFFINITY,
        )
