"""The compiled matching engine as the index of a fold (native/, built as _engine)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from threading import Lock
from weakref import WeakSet

from kato_service.domain.emotives import mean_emotives
from kato_service.domain.genes import RANK_KEYS
from kato_service.domain.later_metrics import MAX_FUTURES
from kato_service.domain.pattern import NO_AFFINITY, Event, Pattern
from kato_service.domain.prediction import FuturePotential, Prediction
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.model.index import (
    Piece,
    Selected,
    SiftedViews,
    StoredViews,
    require_empty,
)
from kato_service.knowledge.model.pattern_filter import PatternFilter
from kato_service.search import _engine
from kato_service.search.answers.compiled import around, detailed, next_in, texts_of
from kato_service.search.compiled_affinities import (
    CompiledAffinities,
    FrozenAffinities,
    holders_of,
)
from kato_service.search.index_pieces import pieces, restored
from kato_service.search.matching import PLAIN, Found, SymbolRow, Wanted
from kato_service.search.pace import Pace
from kato_service.search.pattern_extras import NONE, Extras, ExtrasCopy, has_extras
from kato_service.search.selection.compiled_copy import CompiledCopy
from kato_service.search.selection.compiled_selection import selected

RANKS = RANK_KEYS
"""What the engine can rank by; it is given the place (native/query/kept.h)."""
FEW_FELT = 1000
"""Patterns with an affinity that are sorted at once; of more, all patterns are read in order."""
PAGE = 256
"""Names, or counts of symbols, that are read at once when they are listed."""

_HASH_KEY = tuple(hash(f"symbols {half}") % 2**64 for half in range(2))
"""As secret as the key of Python's own hashes, so that nobody can choose symbols that collide."""


class CompiledPatternIndex:
    """Names, events, counts and symbol statistics in the engine; the few extras in Python."""

    def __init__(self) -> None:
        self.engine = _engine.Index()
        """Replaced by a load."""
        self._extras: dict[str, Extras] = {}
        self._extras_bytes = 0
        self._copies: WeakSet[ExtrasCopy] = WeakSet()
        """Copies of the extras in use."""
        self._affinities = CompiledAffinities()
        """Of deleted patterns, and of symbols."""
        self._changing = Lock()
        """Held while engine and extras change together, or are copied together."""

    @property
    def statistics(self) -> "_Statistics":
        """A new object each time: keeping one would make a cycle, which would keep a dropped index
        in memory until the garbage collector runs."""
        return _Statistics(self)

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        facts = (pattern.frequency, pattern.learns, pattern.first, pattern.revision, learns)
        with self._changing:
            self.engine.put(pattern.name, pattern.events, *facts)
            if has_extras(pattern) or pattern.name in self._extras:
                self._keep(pattern.name, Extras.of(pattern))
            if pattern.name in self._affinities.buried:
                self._affinities.unearth(pattern.name)

    def learn(self, name: str, events: tuple[Event, ...], revision: int) -> bool:
        with self._changing:
            is_new = self.engine.learn(name, events, revision)
            if is_new and name in self._affinities.buried:
                self._affinities.unearth(name)
        return is_new

    def correct(self, corrections: Corrections) -> None:
        rows = tuple((symbol, *counts) for symbol, counts in corrections.symbols.items())
        self.engine.correct(
            rows,
            corrections.total_learns,
            corrections.total_symbols,
            corrections.total_distinct_symbols,
        )

    def loader(self) -> "_Loader":
        return _Loader(self)

    def pieces(self) -> Iterator[Piece]:
        with self._changing:
            return pieces(self.engine.dump(), dict(self._extras))

    def restore(self, pieces: Iterable[Piece]) -> None:
        require_empty(self)
        self.loaded(*restored(pieces))

    def loaded(self, engine: "_engine.Index", extras: dict[str, Extras]) -> None:
        """Take over what a loader gathered."""
        with self._changing:
            require_empty(self)
            self.engine = engine
            self._extras = extras
            self._extras_bytes = sum(each.size_bytes for each in extras.values())
            self._affinities.columns.changed()

    def get(self, name: str) -> Pattern | None:
        found = self.engine.get(name)
        if found is None:
            return None
        return self._extras.get(name, NONE).pattern(name, *found)

    def remove(self, name: str) -> None:
        with self._changing:
            self.engine.remove(name)
            if name in self._extras:
                self._keep(name, NONE)

    def bury(self, tombstone: Pattern) -> None:
        with self._changing:
            self._affinities.bury(tombstone)

    def clear(self) -> None:
        with self._changing:
            self.engine.clear()
            # A new dictionary and no copies to tell: those in use keep the old one.
            self._extras = {}
            self._extras_bytes = 0
            self._copies = WeakSet()
            self._affinities.clear()

    def __len__(self) -> int:
        return len(self.engine)

    def after(self, first: int) -> Iterator[Pattern]:
        while names := self.engine.after(max(first, 0), PAGE):
            for name in names:
                pattern = self.get(name)
                if pattern is not None:
                    first = pattern.first
                    yield pattern

    def counts_until(self, firsts: Sequence[int]) -> tuple[int, ...]:
        return tuple(self.engine.until(max(first, 0)) for first in firsts)

    def select(self, wanted: PatternFilter, *, limit: int, newest_first: bool) -> Selected:
        return selected(self, self._extras, wanted, limit, newest_first=newest_first)

    def best(
        self,
        state: tuple[str, ...],
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> tuple[Prediction, ...]:
        found = self.found(state, PLAIN, threshold=threshold, limit=limit, pace=pace)
        return found.predictions

    def found(
        self,
        state: tuple[str, ...],
        wanted: Wanted,
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> Found:
        frozen = self.frozen(weighs=wanted.affinity_emotive is not None)
        return frozen.found(state, wanted, threshold=threshold, limit=limit, pace=pace)

    def frozen(self, *, weighs: bool = False) -> "_Frozen":
        with self._changing:
            affinities = self._affinities.frozen() if weighs else None
            return _Frozen(self.engine.frozen(weighs), self._copied_extras(), affinities)

    def copied(self) -> CompiledCopy:
        with self._changing:
            return CompiledCopy(self.engine.dump(), self._copied_extras(), len(self.engine))

    def _copied_extras(self) -> ExtrasCopy:
        copy = ExtrasCopy(self._extras)
        self._copies.add(copy)
        return copy

    def felt(self) -> Iterator[Pattern]:
        names = [name for name, extras in self._extras.items() if extras.affinity]
        if len(names) > FEW_FELT:
            yield from (one for one in self.after(-1) if one.affinity)
        else:
            found = (self.get(name) for name in names)
            living = [pattern for pattern in found if pattern is not None]
            yield from sorted(living, key=lambda pattern: pattern.first)
        yield from self._affinities.in_order()

    def symbol_rows(self, pace: Pace) -> Iterator[SymbolRow]:
        holders = holders_of(self.engine.frozen(False), pace)
        start = 0
        while rows := self.engine.counts(start, PAGE):
            pace.look()
            for symbol, _, occurrences in rows:
                yield SymbolRow(symbol, occurrences, int(holders[start]))
                start += 1

    def memory_bytes(self) -> int:
        affinities = self._affinities.memory_bytes
        return self.engine.memory_bytes() + self._extras_bytes + affinities

    def _keep(self, name: str, extras: Extras) -> None:
        """Change the extras of *name*, after giving the frozen copies the old ones."""
        for copy in self._copies:
            copy.changes(name)
        known = self._extras.pop(name, None)
        felt = known.affinity if known is not None else None
        if extras.affinity is not felt and extras.affinity != felt:
            self._affinities.columns.changed()
        if known is not None:
            self._extras_bytes -= known.size_bytes
        if has_extras(extras):
            self._extras[name] = extras
            self._extras_bytes += extras.size_bytes


@dataclass(frozen=True, slots=True)
class _Frozen:
    """A frozen copy, which threads ask while the index changes."""

    engine: "_engine.Frozen"
    extras: ExtrasCopy
    affinities: FrozenAffinities | None
    """None: it is not asked for what symbols weigh."""

    def found(
        self,
        state: tuple[str, ...],
        wanted: Wanted,
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> Found:
        flags = wanted.later | wanted.futures << 1 | wanted.in_first_event << 2
        flags |= wanted.next << 3 | wanted.explain << 4
        until = pace.until if pace else inf
        rank = RANKS.index(wanted.rank_by)
        fuzzy, column = wanted.fuzzy_threshold, self._column(wanted, pace)
        first, end = wanted.offset, wanted.offset + limit
        answer = self.engine.best(state, threshold, end, until, pace, flags, rank, fuzzy, column)
        if wanted.as_text:
            texts = tuple(texts_of(answer, first, self.extras.of if self.extras else None))
            listed = max(0, len(answer) - first)
            return Found(kept=answer.kept(), texts=texts, listed=listed)
        places = range(first, len(answer))
        # One row at a time, so that other threads get the interpreter lock in between.
        predictions = [self._prediction(answer[place]) for place in places]
        for at, place in enumerate(places):
            predictions[at] = detailed(predictions[at], answer, place, wanted)
        futures = range(min(answer.futures(), MAX_FUTURES))
        return Found(
            tuple(predictions),
            tuple(FuturePotential(*answer.future(at)) for at in futures),
            answer.kept(),
            next_in(answer, first, end) if wanted.next else None,
            around(answer) if wanted.explain else None,
        )

    def _column(self, wanted: Wanted, pace: Pace | None) -> "_engine.Column | None":
        """The affinities of symbols, by which the search is weighed; None: it is not."""
        if wanted.affinity_emotive is None or self.affinities is None:
            return None
        affinities = (
            (name, self.extras.of(name).affinity or NO_AFFINITY) for name in self.extras.names()
        )
        return self.affinities.column(
            wanted.affinity_emotive, self.engine, affinities, pace or Pace()
        )

    def _prediction(self, row: "_engine.Row") -> Prediction:
        extras = self.extras.of(row[0])
        emotives = mean_emotives(extras.emotives) if extras.emotives else {}
        fields = (*row[:2], emotives, *row[2:], extras.metadata or {})
        return Prediction(*fields)


class _Loader:
    def __init__(self, index: CompiledPatternIndex) -> None:
        require_empty(index)
        self._index = index
        self._engine = _engine.Loader(*_HASH_KEY)
        self._extras: dict[str, Extras] = {}

    def add(self, patterns: Iterable[Pattern]) -> None:
        for one in patterns:
            self._engine.put(
                one.name, one.events, one.frequency, one.learns, one.first, one.revision
            )
            if has_extras(one):
                self._extras[one.name] = Extras.of(one)

    def sift(self, views: StoredViews, *, cleared: int, checkpoint: int) -> SiftedViews:
        found, newest, has_garbage = self._engine.load(
            views.texts, views.is_bson, cleared, checkpoint
        )
        left = tuple(text for text, is_added in found if not is_added)
        with_extras = tuple(text for text, is_added in found if is_added)
        return SiftedViews(left, with_extras, newest, has_garbage)

    def add_extras(self, patterns: Iterable[Pattern]) -> None:
        for one in patterns:
            self._extras[one.name] = Extras.of(one)

    def count(self, patterns: Iterable[Pattern]) -> None:
        for one in patterns:
            self._engine.count(one.events, one.learns)

    def finish(self) -> None:
        self._index.loaded(self._engine.finish(), self._extras)


class _Statistics:
    """The `SymbolStatistics` of an engine."""

    def __init__(self, index: CompiledPatternIndex) -> None:
        self._index = index
        self.pattern_member_frequency: Mapping[str, int] = _Counts(index, 0)
        self.symbol_frequency: Mapping[str, int] = _Counts(index, 1)

    @property
    def total_learns(self) -> int:
        return self._index.engine.totals()[0]

    @property
    def total_symbols(self) -> int:
        return self._index.engine.totals()[1]

    @property
    def total_distinct_symbols(self) -> int:
        return self._index.engine.totals()[2]

    @property
    def distinct_symbols(self) -> int:
        return self._index.engine.totals()[3]


class _Counts(Mapping[str, int]):
    """One of the two counts of every symbol; symbols with 0 are not listed."""

    def __init__(self, index: CompiledPatternIndex, which: int) -> None:
        self._index = index
        self._which = which

    def __getitem__(self, symbol: str) -> int:
        return self._index.engine.count(symbol)[self._which]

    def __iter__(self) -> Iterator[str]:
        start = 0
        while rows := self._index.engine.counts(start, PAGE):
            yield from (row[0] for row in rows if row[1 + self._which])
            start += len(rows)

    def __len__(self) -> int:
        return sum(1 for _ in self)
