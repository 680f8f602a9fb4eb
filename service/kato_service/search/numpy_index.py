"""The matching engine in numpy and plain Python: exact, for platforms without a compiler.

A prefilter on postings gives an upper bound of every pattern's similarity; only patterns that can
reach the threshold are aligned.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from kato_service.domain.affinity import plus
from kato_service.domain.alignment import Block, similarity
from kato_service.domain.answers.explanation import Surroundings
from kato_service.domain.pattern import NO_AFFINITY, Pattern, flatten
from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import SymbolCounts
from kato_service.knowledge.fold.footprint import affinity_bytes, extras_bytes, pattern_bytes
from kato_service.knowledge.model.index import UnsavedIndex
from kato_service.search.affinity_columns import AffinityColumns
from kato_service.search.answers.plain import surroundings
from kato_service.search.bit_alignment import MAX_BITS, matching_blocks, position_masks
from kato_service.search.fuzzy import FuzzyState
from kato_service.search.long_alignment import LongAlignment
from kato_service.search.matching import PLAIN, Found, SymbolRow, Wanted
from kato_service.search.pace import Pace, paced
from kato_service.search.plain_later import Knowledge, found_later
from kato_service.search.plain_ranking import Match, best_predictions

_Blocks = Callable[[Sequence[str]], tuple[Block, ...]]
_Alignment = Callable[[Sequence[str]], tuple[tuple[Block, ...], tuple[str, ...] | None]]
"""Gives the blocks of a pattern, and the state as the pattern spells it if that is different."""
POSTINGS_BYTES = 400
"""Size of a symbol: its two arrays, their owner, its place in a dictionary."""
SLOT_BYTES = 96
"""Size of a slot without its pattern: places in a list, an array and a tuple."""
OCCURRENCE_BYTES = 18
"""Size of a symbol in a pattern: a place in its tuple, its slot and its count."""
COLUMN_BYTES = 130
"""A symbol and its affinity in a column: two places in a dictionary, and a number."""
HOLES_KEPT = 1024
"""Slots of removed patterns, beyond the number of living ones, that are tolerated."""


FEW_PATTERNS, FEW_SYMBOLS = 64, 1024
"""Up to so many patterns, and symbols in them, are counted one by one: postings, which would take
most of the memory of a small index, save less time than they cost."""


@dataclass(slots=True)
class _Postings:
    """Where a symbol occurs: slots in ascending order, and how often in each of them."""

    slots: "array[int]" = field(default_factory=lambda: array("i"))
    counts: "array[int]" = field(default_factory=lambda: array("i"))


class _Column(dict[str, float]):
    """By symbol, its affinity for one emotive."""

    @property
    def size_bytes(self) -> int:
        return COLUMN_BYTES * len(self)


class NumpyPatternIndex(UnsavedIndex):
    def __init__(self) -> None:
        self._columns: AffinityColumns[_Column] = AffinityColumns()
        self.clear()

    def clear(self) -> None:
        self.statistics = SymbolCounts()
        self._buried: dict[str, Pattern] = {}
        """Deleted patterns with an affinity."""
        self._columns.changed()
        self._forget()

    def _forget(self) -> None:
        self._slots: dict[str, int] = {}
        self._patterns: list[Pattern | None] = []
        self._symbols: list[tuple[str, ...]] = []
        self._lengths = array("i")
        self._occurrences = 0
        """Symbols in all slots."""
        self._postings: dict[str, _Postings] = {}
        """Of all slots, or of none while there are few."""
        self._bytes = 0

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        slot = self._slots.get(pattern.name)
        self._note_affinity(slot, pattern)
        if slot is None:
            self._append(pattern)
        else:
            self._replace(slot, pattern)
        if learns:
            self.statistics.add_learn(pattern.events, learns)

    def get(self, name: str) -> Pattern | None:
        slot = self._slots.get(name)
        return None if slot is None else self._patterns[slot]

    def __len__(self) -> int:
        return len(self._slots)

    def memory_bytes(self) -> int:
        """Estimate; removed patterns count until their slots are compacted."""
        postings = POSTINGS_BYTES * len(self._postings)
        columns = self._columns.memory_bytes
        return self._bytes + postings + columns + self.statistics.memory_bytes

    def after(self, first: int) -> Iterator[Pattern]:
        return (one for one in self._patterns if one is not None and one.first > first)

    def remove(self, name: str) -> None:
        slot = self._slots.pop(name, None)
        if slot is None:
            return
        self._patterns[slot] = None
        if len(self._patterns) > 2 * len(self._slots) + HOLES_KEPT:
            self._compact()

    def _note_affinity(self, slot: int | None, pattern: Pattern) -> None:
        """Drop the columns if *pattern*, which comes to *slot*, changes any."""
        known = self._buried.pop(pattern.name, None) if slot is None else self._patterns[slot]
        before = NO_AFFINITY if known is None else known.affinity
        # One that was deleted is added in another place from now on.
        moves = slot is None and bool(before)
        if moves or (pattern.affinity is not before and pattern.affinity != before):
            self._columns.changed()

    def bury(self, tombstone: Pattern) -> None:
        self._buried[tombstone.name] = tombstone
        self._columns.changed()

    def frozen(self, *, weighs: bool = False) -> None:
        """None: a copy would cost more than most queries."""

    def felt(self) -> Iterator[Pattern]:
        yield from (one for one in self.after(-1) if one.affinity)
        yield from (self._buried[name] for name in sorted(self._buried))

    def symbol_rows(self, pace: Pace) -> Iterator[SymbolRow]:
        holders: Counter[str] = Counter()
        for one in paced(self.after(-1), pace):
            holders.update(set(flatten(one.events)))
        # The statistics hold every symbol that a pattern has, also one that was never counted.
        occurrences = self.statistics.symbol_frequency
        for symbol in paced({**occurrences, **holders}, pace):
            yield SymbolRow(symbol, occurrences[symbol], holders[symbol])

    def _affinity(self, emotive: str | None, pace: Pace) -> _Column | None:
        """By symbol, its affinity for *emotive*."""
        if emotive is None:
            return None
        version = self._columns.version
        column = self._columns.get(emotive, version)
        if column is None:
            column = _Column()
            for one in paced(self.felt(), pace):
                if emotive in one.affinity:
                    for symbol in dict.fromkeys(flatten(one.events)):
                        column[symbol] = plus(column.get(symbol, 0.0), one.affinity[emotive])
            self._columns.keep(emotive, version, column)
        return column

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
        pace = pace or Pace()
        if wanted.is_plain:
            plain = self.matches(state, threshold, pace)
            end = wanted.offset + limit
            best = best_predictions(plain, state, self.statistics, limit=end, pace=pace)
            return Found(best[wanted.offset :], kept=len(plain))
        fuzzy = None
        if wanted.fuzzy_threshold > 0.0:
            fuzzy = FuzzyState.of(state, self._vocabulary(), wanted.fuzzy_threshold, pace)
        matches = self.matches(state, threshold, pace, fuzzy)
        affinity = self._affinity(wanted.affinity_emotive, pace)
        known = Knowledge(self.statistics, len(self), self._holders, affinity)
        found = found_later(matches, state, known, wanted, limit=limit, pace=pace)
        if not wanted.explain:
            return found
        return replace(found, around=self._around(state, threshold, pace, fuzzy))

    def _around(
        self, state: Sequence[str], threshold: float, pace: Pace, fuzzy: FuzzyState | None
    ) -> Surroundings:
        align = _alignment_with(state, fuzzy, pace)
        overlap = self._overlap(Counter(state) if fuzzy is None else fuzzy.sought)
        bounds = 2.0 * overlap / (_as_numpy(self._lengths) + len(state))
        slots: list[int] = np.flatnonzero(overlap).tolist()
        sharing = (
            (float(bounds[slot]), slot) for slot in slots if self._patterns[slot] is not None
        )
        match = partial(self._match, align, size=len(state))
        return surroundings(len(self), paced(sharing, pace), match, threshold)

    def matches(
        self,
        state: Sequence[str],
        threshold: float,
        pace: Pace,
        fuzzy: FuzzyState | None = None,
    ) -> tuple[Match, ...]:
        align = _alignment_with(state, fuzzy, pace)
        sought = Counter(state) if fuzzy is None else fuzzy.sought
        slots = paced(self._candidates(sought, len(state), threshold), pace)
        found = (self._match(align, slot, len(state)) for slot in slots)
        return tuple(match for match in found if match is not None and _kept(match, threshold))

    def _match(self, align: _Alignment, slot: int, size: int) -> Match | None:
        pattern = self._patterns[slot]
        if pattern is None:
            return None
        symbols = self._symbols[slot]
        blocks, respelled = align(symbols)
        matched = sum(block[2] for block in blocks)
        alike = similarity(matched, len(symbols), size)
        return Match(pattern, len(symbols), blocks, matched, alike, respelled)

    def _candidates(self, sought: Mapping[str, int], size: int, threshold: float) -> Iterable[int]:
        """The prefilter: slots whose patterns have enough symbols in common with the state.

        No alignment matches more symbols than both have in common, and the bound is computed with
        the expression of the similarity itself, so no rounding can lose a match.

        Args:
            sought: By symbol, how often the state holds it, or may hold it in some spelling.
            size: Symbols of the state.
        """
        if threshold <= 0.0:
            return range(len(self._patterns))
        overlap = self._overlap(sought)
        lengths = _as_numpy(self._lengths)
        bounds = 2.0 * overlap / (lengths + size)
        slots: list[int] = np.flatnonzero(bounds >= threshold).tolist()
        return slots

    def _vocabulary(self) -> Mapping[str, object]:
        """All symbols in slots, in order of their first appearance."""
        return self._postings or dict.fromkeys(chain.from_iterable(self._symbols))

    def _overlap(self, sought: Mapping[str, int]) -> NDArray[np.intc]:
        if not self._postings:
            counts = (_common(symbols, sought) for symbols in self._symbols)
            return np.fromiter(counts, np.intc, len(self._symbols))
        overlap = np.zeros(len(self._patterns), dtype=np.intc)
        for symbol, count in sought.items():
            postings = self._postings.get(symbol)
            if postings is not None:
                common = np.minimum(_as_numpy(postings.counts), count)
                overlap[_as_numpy(postings.slots)] += common
        return overlap

    def _holders(self, symbols: Iterable[str]) -> dict[str, int]:
        """By symbol, how many patterns hold it."""
        if not self._postings:
            slots = zip(self._patterns, self._symbols, strict=True)
            held = Counter[str]()
            for pattern, in_it in slots:
                held.update(() if pattern is None else set(in_it))
            return {symbol: held[symbol] for symbol in symbols}
        living = np.fromiter((one is not None for one in self._patterns), np.bool_)
        return {
            symbol: int(living[_as_numpy(self._postings[symbol].slots)].sum()) for symbol in symbols
        }

    def _replace(self, slot: int, pattern: Pattern) -> None:
        known = self._patterns[slot]
        if known is not None:
            self._bytes -= _extras_bytes(known)
        self._bytes += _extras_bytes(pattern)
        self._patterns[slot] = pattern

    def _append(self, pattern: Pattern) -> None:
        slot = len(self._patterns)
        symbols = flatten(pattern.events)
        self._slots[pattern.name] = slot
        self._patterns.append(pattern)
        self._symbols.append(symbols)
        self._lengths.append(len(symbols))
        self._bytes += pattern_bytes(pattern) + SLOT_BYTES + OCCURRENCE_BYTES * len(symbols)
        self._occurrences += len(symbols)
        if self._postings:
            self._post(slot)
        elif len(self._patterns) > FEW_PATTERNS or self._occurrences > FEW_SYMBOLS:
            for one in range(len(self._patterns)):
                self._post(one)

    def _post(self, slot: int) -> None:
        for symbol, count in Counter(self._symbols[slot]).items():
            postings = self._postings.setdefault(symbol, _Postings())
            postings.slots.append(slot)
            postings.counts.append(count)

    def _compact(self) -> None:
        alive = [pattern for pattern in self._patterns if pattern is not None]
        self._forget()
        for pattern in alive:
            self._append(pattern)


def _common(symbols: Sequence[str], sought: Mapping[str, int]) -> int:
    """How many symbols both have in common, as multisets."""
    found = Counter(symbol for symbol in symbols if symbol in sought)
    return sum(min(count, sought[symbol]) for symbol, count in found.items())


def _extras_bytes(pattern: Pattern) -> int:
    maps = extras_bytes(pattern.emotives, pattern.metadata)
    return maps + affinity_bytes(pattern.affinity, pattern.emotives)


def _alignment_with(state: Sequence[str], fuzzy: FuzzyState | None, pace: Pace) -> _Alignment:
    exact = _blocks_with(state, pace)
    if fuzzy is None:
        return lambda symbols: (exact(symbols), None)

    def as_spelled(symbols: Sequence[str]) -> tuple[tuple[Block, ...], tuple[str, ...] | None]:
        respelled = fuzzy.respelled(symbols)
        align = exact if respelled is None else _blocks_with(respelled, pace)
        return align(symbols), respelled

    return as_spelled


def _blocks_with(state: Sequence[str], pace: Pace) -> _Blocks:
    """A function that aligns a pattern with *state*: on bits for a short state."""
    if len(state) > MAX_BITS:
        return LongAlignment(state, pace).blocks
    masks = position_masks(state)
    return lambda symbols: matching_blocks(symbols, masks, pace)


def _kept(match: Match, threshold: float) -> bool:
    return match.similarity >= threshold


def _as_numpy(values: "array[int]") -> NDArray[np.intc]:
    """The array without a copy; it must not grow while the result is in use."""
    return np.frombuffer(values, dtype=np.intc) if values else np.zeros(0, dtype=np.intc)
