"""Affinities in the compiled engine's index: of deleted patterns, and of symbols.

Those of living patterns are among their extras. Those of symbols are summed up when a search asks
for them, so that learns cost nothing (decision 0056).
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from weakref import WeakSet

from kato_service.domain.pattern import Emotives, Pattern, flatten
from kato_service.knowledge.fold.footprint import pattern_bytes
from kato_service.search import _engine
from kato_service.search.affinity_columns import AffinityColumns
from kato_service.search.pace import Pace, paced


class CompiledAffinities:
    """Of one index, which holds a lock for whatever changes here."""

    def __init__(self) -> None:
        self.columns: AffinityColumns[_engine.Column] = AffinityColumns()
        self.buried: dict[str, Pattern] = {}
        """Deleted patterns with an affinity."""
        self._buried_bytes = 0
        self._frozen: WeakSet[FrozenAffinities] = WeakSet()
        """Copies in use, which share `buried` and keep what it held where that changes."""

    @property
    def memory_bytes(self) -> int:
        return self._buried_bytes + self.columns.memory_bytes

    def bury(self, tombstone: Pattern) -> None:
        self._change(tombstone.name, tombstone)

    def unearth(self, name: str) -> None:
        self._change(name, None)

    def clear(self) -> None:
        # A new dictionary and no copies to tell: those in use keep the old one.
        self.buried = {}
        self._buried_bytes = 0
        self._frozen = WeakSet()
        self.columns.changed()

    def frozen(self) -> "FrozenAffinities":
        copy = FrozenAffinities(self.columns, self.columns.version, self.buried)
        self._frozen.add(copy)
        return copy

    def in_order(self) -> Iterator[Pattern]:
        """The deleted patterns, in order of their names."""
        return (self.buried[name] for name in sorted(self.buried))

    def _change(self, name: str, tombstone: Pattern | None) -> None:
        known = self.buried.get(name)
        for copy in self._frozen:
            copy.before.setdefault(name, known)
        if known is not None:
            self._buried_bytes -= pattern_bytes(known)
            del self.buried[name]
        if tombstone is not None:
            self.buried[name] = tombstone
            self._buried_bytes += pattern_bytes(tombstone)
        self.columns.changed()


@dataclass(slots=True, weakref_slot=True, eq=False)
class FrozenAffinities:
    """What a frozen copy needs to sum the affinities of symbols up."""

    columns: AffinityColumns["_engine.Column"]
    version: int
    buried: dict[str, Pattern]
    before: dict[str, Pattern | None] = field(default_factory=dict)
    """What *buried* held before it changed there; written before the change, and read after it."""

    def column(
        self,
        emotive: str,
        engine: "_engine.Frozen",
        affinities: Iterable[tuple[str, Emotives]],
        pace: Pace,
    ) -> "_engine.Column":
        """The sums for *emotive* by symbol. Computes, unless a search before has done it.

        Args:
            engine: The frozen copy.
            affinities: Of its patterns, by name, in any order; perhaps those of others, too.

        Raises:
            TimeoutError: Its *pace* gives it no more time.
        """
        known = self.columns.get(emotive, self.version)
        if known is not None:
            return known
        names, values = bytearray(), array("d")
        for name, affinity in paced(affinities, pace):
            if emotive in affinity:
                names += bytes.fromhex(name)
                values.append(affinity[emotive])
        made = engine.column(bytes(names), values.tobytes())
        _add_segments(made, pace)
        for tombstone in paced(self._buried(), pace):
            if emotive in tombstone.affinity:
                symbols = tuple(dict.fromkeys(flatten(tombstone.events)))
                made.add_symbols(symbols, tombstone.affinity[emotive])
        made.settle()
        self.columns.keep(emotive, self.version, made)
        return made

    def _buried(self) -> Iterator[Pattern]:
        """The deleted patterns of that moment, in order of their names."""
        names = list(self.buried)
        for name in sorted({*names, *list(self.before)}):
            tombstone = self.buried.get(name)
            tombstone = self.before.get(name, tombstone)
            if tombstone is not None:
                yield tombstone


def holders_of(engine: "_engine.Frozen", pace: Pace) -> "array[float]":
    """By symbol number, how many patterns hold the symbol.

    Raises:
        TimeoutError: Its *pace* gives it no more time.
    """
    made = engine.column(None, b"")
    _add_segments(made, pace)
    return array("d", made.sums())


def _add_segments(column: "_engine.Column", pace: Pace) -> None:
    number = 0
    pace.look()
    while column.add_segment(number):
        number += 1
        pace.look()
