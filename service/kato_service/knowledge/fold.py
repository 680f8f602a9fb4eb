"""The fold of a log: entries in, patterns and symbol statistics out (knowledge.md §2).

It reads entries only, never settings or clocks, so it is the same on every replica.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from sys import getsizeof
from typing import assert_never

from kato_service.domain.pattern import Emotives, Event, Metadata, Pattern
from kato_service.domain.statistics import SymbolStatistics
from kato_service.knowledge.entries import Applied, Clear, Delete, Entry, Learn, Update
from kato_service.knowledge.footprint import pattern_bytes, statistics_bytes, symbols_bytes
from kato_service.knowledge.index import IndexedPatterns, PatternIndex
from kato_service.knowledge.pattern_views import PatternView
from kato_service.knowledge.position import Position
from kato_service.knowledge.touched import Touched
from kato_service.knowledge.view import KnowledgeView

MAX_FREQUENCY = 2**31 - 1
"""Of a pattern; what is learned more often stays there."""
PATTERN_METADATA_BYTES = 16 * 1024
"""UTF-8 of keys and values that a pattern keeps; later values are dropped."""


class Fold:
    """One knowledge base at one revision. Entries are applied in order of revision."""

    def __init__(self, index: PatternIndex, *, incarnation: str = "") -> None:
        self.index = index
        self.incarnation = incarnation
        """Of the log it was folded from; '' for a log that does not exist yet."""
        self.revision = 0
        self.token = ""
        """Of the entry at that revision."""
        self.cleared = 0
        self.checkpoint = 0
        """The views show every entry up to this revision, as far as is known here."""
        self.touched = Touched()
        """What they do not show yet."""
        self.has_garbage = False
        """The store still holds views of patterns that were cleared."""
        self.patterns: Mapping[str, Pattern] = IndexedPatterns(index)
        """Those alive, by bare name; they live in the index."""
        self.tombstones: dict[str, Pattern] = {}
        """Deleted patterns: their learns stay part of the statistics."""
        self.statistics = SymbolStatistics()
        self._strings_bytes = 0
        """Of the symbols, each once."""
        self._tombstones_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """Estimated in an instant: the index (names, events, order, counts), the statistics, the
        symbols as strings, the tombstones."""
        tombstones = getsizeof(self.tombstones) + self._tombstones_bytes
        counted = statistics_bytes(self.statistics) + self._strings_bytes
        return self.index.memory_bytes() + counted + tombstones + self.touched.memory_bytes

    @property
    def position(self) -> Position:
        return Position(self.incarnation, self.revision, self.token)

    def apply(self, revision: int, entry: Entry) -> Applied:
        """Fold *entry* in; *revision* is greater than every one before."""
        self.pass_by(revision, entry)
        match entry:
            case Learn():
                return Applied(entry, revision, self._learn(revision, entry))
            case Update():
                return self._update(revision, entry)
            case Delete():
                return self._delete(revision, entry)
            case Clear():
                self._clear(revision)
                return Applied(entry, revision, None)
            case _:
                assert_never(entry)

    def pass_by(self, revision: int, entry: Entry) -> None:
        """Be at *revision*; what *entry* did there is known already."""
        self.revision = revision
        self.token = entry.token
        self.touched.note(entry)

    def restore(self, view: PatternView, *, at: int) -> None:
        """Take a pattern over from a view, its learns counted; the fold has none of its name.

        Args:
            at: Its place in the order of first learns: behind that of every one before.
        """
        pattern = view.pattern
        self._count_strings(pattern.events)
        self.statistics.add_learn(pattern.events, pattern.learns)
        self.index.put(replace(pattern, first=at), learns=pattern.learns)
        if view.deleted:
            self.index.remove(pattern.name)
            self._bury(pattern)

    def known(self, name: str) -> PatternView | None:
        """The pattern of that name, alive or deleted."""
        alive = self.index.get(name)
        if alive is not None:
            return PatternView(alive)
        deleted = self.tombstones.get(name)
        return None if deleted is None else PatternView(deleted, deleted=True)

    def view(self, *, stale: bool = False) -> KnowledgeView:
        return KnowledgeView(
            index=self.index,
            statistics=self.statistics,
            patterns=self.patterns,
            revision=self.revision,
            cleared=self.cleared,
            stale=stale,
            tombstones=self.tombstones,
        )

    def _learn(self, revision: int, entry: Learn) -> int:
        known = self.index.get(entry.name) or self._first_learned(revision, entry)
        pattern = replace(
            known,
            frequency=min(known.frequency + 1, MAX_FREQUENCY),
            learns=known.learns + 1,
            emotives=_window(known.emotives, entry.emotives, entry.persistence),
            metadata=merged_metadata(known.metadata, entry.metadata),
            revision=revision,
        )
        self.index.put(pattern, learns=1)
        self.statistics.add_learn(pattern.events)
        return pattern.frequency

    def _first_learned(self, revision: int, entry: Learn) -> Pattern:
        deleted = self.tombstones.pop(entry.name, None)
        if deleted is not None:
            self._tombstones_bytes -= pattern_bytes(deleted)
            return replace(deleted, first=revision)
        self._count_strings(entry.events)
        return Pattern(entry.name, entry.events, frequency=0, learns=0, first=revision)

    def _update(self, revision: int, entry: Update) -> Applied:
        known = self.index.get(entry.name)
        if known is None:
            return Applied(entry, revision, 0, met=False)
        frequency = known.frequency if entry.frequency is None else entry.frequency
        emotives = known.emotives if entry.emotives is None else entry.emotives
        updated = replace(known, frequency=frequency, emotives=emotives, revision=revision)
        self.index.put(updated)
        return Applied(entry, revision, frequency, pattern=updated)

    def _delete(self, revision: int, entry: Delete) -> Applied:
        known = self.index.get(entry.name)
        if known is None:
            return Applied(entry, revision, 0, met=False)
        self._bury(replace(known, frequency=0, emotives=(), metadata={}, revision=revision))
        self.index.remove(entry.name)
        return Applied(entry, revision, 0)

    def _bury(self, tombstone: Pattern) -> None:
        self.tombstones[tombstone.name] = tombstone
        self._tombstones_bytes += pattern_bytes(tombstone)

    def _count_strings(self, events: Iterable[Event]) -> None:
        known = self.statistics.symbol_frequency
        symbols = {symbol for event in events for symbol in event}
        self._strings_bytes += symbols_bytes(each for each in symbols if each not in known)

    def _clear(self, revision: int) -> None:
        self.cleared = revision
        self.tombstones = {}
        self.statistics = SymbolStatistics()
        self._strings_bytes = self._tombstones_bytes = 0
        self.index.clear()


def merged_metadata(
    known: Metadata, more: Mapping[str, tuple[str, ...]], limit_bytes: int = PATTERN_METADATA_BYTES
) -> Metadata:
    """*known* with the values of *more* it did not have, as far as they fit into the limit."""
    if not more:
        return known
    merged = dict(known)
    used = sum(map(_size, known)) + sum(_size(text) for texts in known.values() for text in texts)
    for key, texts in more.items():
        for text in texts:
            size = _size(text) + (0 if key in merged else _size(key))
            if text not in merged.get(key, ()) and used + size <= limit_bytes:
                merged[key] = (*merged.get(key, ()), text)
                used += size
    return merged


def _window(
    known: tuple[Emotives, ...], emotives: Emotives | None, persistence: int
) -> tuple[Emotives, ...]:
    if emotives is None:
        return known
    return (*known, emotives)[-persistence:] if persistence > 0 else ()


def _size(text: str) -> int:
    return len(text.encode())
