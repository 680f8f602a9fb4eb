"""The compiled matching engine as an index of patterns (see native/, built as _engine)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from weakref import WeakSet

from kato_service.domain.emotives import mean_emotives
from kato_service.domain.pattern import Emotives, Metadata, Pattern
from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import SymbolStatistics
from kato_service.knowledge.footprint import extras_bytes
from kato_service.search import _engine

EXTRAS_BYTES = 300
"""Of one pattern's extras: the object, the name again, a place in a dictionary."""
PAGE = 256
"""Names that are read ahead when patterns are listed."""


@dataclass(frozen=True, slots=True)
class _Extras:
    """What few patterns have."""

    emotives: tuple[Emotives, ...] = ()
    metadata: Metadata | None = None

    @property
    def size_bytes(self) -> int:
        return EXTRAS_BYTES + extras_bytes(self.emotives, self.metadata or {})


_NONE = _Extras()


class CompiledPatternIndex:
    """Names, events, counts and symbol statistics in arrays; the few with extras beside."""

    def __init__(self) -> None:
        self._index = _engine.Index()
        self._extras: dict[str, _Extras] = {}
        self._extras_bytes = 0
        self._snapshots: WeakSet[_Snapshot] = WeakSet()
        self._changing = Lock()
        """Held while index and extras change together, or are taken together."""

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        facts = (pattern.frequency, pattern.learns, pattern.first, pattern.revision, learns)
        with self._changing:
            self._index.put(pattern.name, pattern.events, *facts)
            if pattern.emotives or pattern.metadata or pattern.name in self._extras:
                self._keep(pattern.name, _Extras(pattern.emotives, pattern.metadata or None))

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
        with self._changing:
            self._index.remove(name)
            if name in self._extras:
                self._keep(name, _NONE)

    def clear(self) -> None:
        """Snapshots go on with what was."""
        with self._changing:
            self._index.clear()
            self._extras = {}
            self._extras_bytes = 0
            self._snapshots = WeakSet()

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
        until: float = inf,
    ) -> tuple[Prediction, ...]:
        found = self.snapshot()
        return found.best(state, statistics, threshold=threshold, limit=limit, until=until)

    def snapshot(self) -> "_Snapshot":
        with self._changing:
            taken = _Snapshot(self._index.snapshot(), self._extras)
            self._snapshots.add(taken)
        return taken

    def memory_bytes(self) -> int:
        """Of arrays and extras; the symbols, which are Python strings, come on top."""
        return self._index.memory_bytes() + self._extras_bytes

    def _keep(self, name: str, extras: _Extras) -> None:
        """Change what *name* has, after telling the snapshots what it had."""
        for snapshot in self._snapshots:
            snapshot.before.setdefault(name, self._extras.get(name, _NONE))
        known = self._extras.pop(name, None)
        if known is not None:
            self._extras_bytes -= known.size_bytes
        if extras.emotives or extras.metadata:
            self._extras[name] = extras
            self._extras_bytes += extras.size_bytes


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Snapshot:
    """Asked by threads while the index changes; extras are shared and told when they do."""

    taken: "_engine.Snapshot"
    extras: dict[str, _Extras]
    before: dict[str, _Extras] = field(default_factory=dict)
    """Extras that changed since, as they were. Set before they change, read after them."""

    def best(
        self,
        state: tuple[str, ...],
        statistics: SymbolStatistics,
        *,
        threshold: float,
        limit: int,
        until: float = inf,
    ) -> tuple[Prediction, ...]:
        """Matching runs without the interpreter lock; each prediction is made on its own, so
        that other threads get their turns. The statistics are the snapshot's own."""
        answer = self.taken.best(state, threshold, limit, until)
        return tuple(self._prediction(row) for row in answer)

    def _prediction(self, row: "_engine.Row") -> Prediction:
        extras = self.extras.get(row[0], _NONE)
        extras = self.before.get(row[0], extras)
        emotives = mean_emotives(extras.emotives) if extras.emotives else {}
        fields = (*row[:2], emotives, *row[2:], extras.metadata or {})
        return Prediction(*fields)
