"""The compiled matching engine as an index of patterns (see native/, built as _engine)."""

from collections.abc import Iterator
from dataclasses import dataclass

from kato_service.domain.emotives import mean_emotives
from kato_service.domain.pattern import Emotives, Metadata, Pattern
from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import SymbolStatistics
from kato_service.search import _engine

PAGE = 256
"""Names that are read ahead when patterns are listed."""


@dataclass(frozen=True, slots=True)
class _Extras:
    """What few patterns have."""

    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata | None = None


_NONE = _Extras()


class CompiledPatternIndex:
    """Names, events, counts and symbol statistics in arrays; the few with extras beside."""

    def __init__(self) -> None:
        self._index = _engine.Index()
        self._extras: dict[str, _Extras] = {}

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        self._index.put(
            pattern.name,
            pattern.events,
            pattern.frequency,
            pattern.learns,
            pattern.first,
            pattern.revision,
            learns,
        )
        if pattern.emotives or pattern.metadata:
            self._extras[pattern.name] = _Extras(pattern.emotives, pattern.metadata or None)
        else:
            self._extras.pop(pattern.name, None)

    def get(self, name: str) -> Pattern | None:
        found = self._index.get(name)
        if found is None:
            return None
        events, frequency, learns, first, revision = found
        extras = self._extras.get(name, _NONE)
        return Pattern(
            name=name,
            events=events,
            frequency=frequency,
            learns=learns,
            emotives=extras.emotives,
            metadata=extras.metadata or {},
            first=first,
            revision=revision,
        )

    def remove(self, name: str) -> None:
        self._index.remove(name)
        self._extras.pop(name, None)

    def clear(self) -> None:
        self._index.clear()
        self._extras.clear()

    def __len__(self) -> int:
        return len(self._index)

    def after(self, first: int) -> Iterator[Pattern]:
        while names := self._index.after(max(first, 0), PAGE):
            for name in names:
                pattern = self.get(name)
                if pattern is not None:
                    first = pattern.first
                    yield pattern

    def best(
        self,
        state: tuple[str, ...],
        statistics: SymbolStatistics,
        *,
        threshold: float,
        limit: int,
    ) -> tuple[Prediction, ...]:
        """The matching runs without the interpreter lock; each prediction is made on its own,
        so that other threads get their turns."""
        answer = self._index.snapshot().best(state, threshold, limit)
        return tuple(self._prediction(row) for row in answer)

    def memory_bytes(self) -> int:
        """Of the arrays; symbols and extras, which are Python objects, come on top."""
        return self._index.memory_bytes()

    def _prediction(self, row: "_engine.Row") -> Prediction:
        extras = self._extras.get(row[0], _NONE)
        emotives = mean_emotives(extras.emotives) if extras.emotives else {}
        fields = (*row[:2], emotives, *row[2:], extras.metadata or {})
        return Prediction(*fields)
