"""The fold of a log: entries in, patterns and symbol statistics out (knowledge.md §2).

Its content depends on the entries alone, never on settings or clocks, so it is the same on every
replica.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from sys import getsizeof
from typing import assert_never

from kato_service.domain.affinity import with_felt
from kato_service.domain.pattern import Emotives, Event, Pattern
from kato_service.domain.sizes import EMOTIVE_BYTES, emotives_bytes, events_bytes, merged_metadata
from kato_service.domain.statistics import Corrections, SymbolStatistics
from kato_service.knowledge.fold.dirty_patterns import DirtyPatterns
from kato_service.knowledge.fold.footprint import corrections_bytes, pattern_bytes
from kato_service.knowledge.fold.import_progress import ImportProgress
from kato_service.knowledge.fold.named_entries import NamedEntries
from kato_service.knowledge.limits import DEFAULT_LIMITS
from kato_service.knowledge.model.entries import (
    Applied,
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.index import IndexedPatterns, PatternIndex, PatternLoader
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView
from kato_service.knowledge.model.position import Position
from kato_service.knowledge.model.reading import KnowledgeReading

MAX_FREQUENCY = 2**31 - 1
"""The highest frequency of a pattern; further learns leave it there."""
MAX_IMPORTED_LEARNS = 2**30
"""Learns of a pattern that imports add together at most: what the engine counts in one step."""
PATTERN_EMOTIVES_BYTES = 8 * 2**20
"""Bytes of the emotive maps that learns leave in a pattern, so that its view fits into a document
of MongoDB (16 MiB) together with the events; the oldest maps are dropped."""
VIEW_BYTES = 15 * 2**20
"""Bytes of all events and emotives of a pattern; 1 MiB of a document is left for the rest."""
FEW_EMOTIVES = 4096
"""Names in all maps of a pattern up to which they fit, so that nothing needs to be measured."""


class Fold:
    """One knowledge base at one revision. Entries are applied in order of revision."""

    def __init__(
        self,
        index: PatternIndex,
        *,
        incarnation: str = "",
        max_dirty: int = DEFAULT_LIMITS.dirty_patterns,
    ) -> None:
        """*max_dirty*: see `KnowledgeLimits.dirty_patterns`."""
        self.index = index
        self.incarnation = incarnation
        """The incarnation of the log it was folded from; '' while that log does not exist."""
        self.revision = 0
        self.token = ""
        """The token of the entry at that revision."""
        self.cleared = 0
        """The revision of the last clear; 0: there was none."""
        self.erased = 0
        """The revision of the last erasure; 0: there was none."""
        self.user: str | None = None
        """Whose the log's head says it is, as last read."""
        self.checkpoint = 0
        """The views show every entry up to this revision, as far as this process knows."""
        self.dirty = DirtyPatterns(max_dirty)
        """Patterns whose views are older than the fold."""
        self.has_garbage = False
        """The store still holds views of patterns that were cleared."""
        self.patterns: Mapping[str, Pattern] = IndexedPatterns(index)
        """Living patterns, by bare name, as the index holds them."""
        self.tombstones: dict[str, Pattern] = {}
        """Deleted patterns: their learns stay part of the statistics."""
        self.corrections = Corrections()
        """Sums of all `statistics` entries since the last clear; the index has counted them."""
        self.imports = ImportProgress()
        self.corrected = 0
        """The last entry that changed corrections or imports, from the last clear on."""
        self.named: NamedEntries | None = None
        """The named entries of the log; None while nobody has asked for any."""
        self._tombstones_bytes = 0

    @property
    def statistics(self) -> SymbolStatistics:
        return self.index.statistics

    @property
    def memory_bytes(self) -> int:
        """Estimate, in constant time: index (patterns, symbols, statistics), tombstones,
        corrections, dirty set and named entries."""
        tombstones = getsizeof(self.tombstones) + self._tombstones_bytes
        rest = corrections_bytes(self.corrections) + self.dirty.memory_bytes
        named = 0 if self.named is None else self.named.memory_bytes
        return self.index.memory_bytes() + tombstones + rest + named

    @property
    def position(self) -> Position:
        return Position(self.incarnation, self.revision, self.token)

    def apply(self, revision: int, entry: Entry) -> Applied:
        """Fold *entry* in; *revision* is greater than every one before."""
        if isinstance(entry, Learn):
            frequency = self._learn(revision, entry)
            # Before the revision moves: whoever sees the revision must see the name, too.
            if self.named is not None:
                self.named.note(revision, entry.token, entry.name, frequency)
            self.skip(revision, entry)
            return Applied(entry, revision, frequency)
        self.skip(revision, entry)
        match entry:
            case Update():
                return self._update(revision, entry)
            case Delete():
                return self._delete(revision, entry)
            case Clear():
                self._clear(revision, entry.source)
                if entry.erases:
                    self.erased, self.named = revision, None
                return Applied(entry, revision, None)
            case Import():
                return self._import(revision, entry)
            case Statistics():
                return self._correct(revision, entry)
            case _:
                assert_never(entry)

    def skip(self, revision: int, entry: Entry) -> None:
        """Move to *revision* without applying *entry*: its effect is in the fold already."""
        self.revision = revision
        self.token = entry.token
        self.dirty.add(entry)

    def admit(self, revision: int, entry: Import | Statistics) -> bool:
        """Count a part of an import; False: it is not its turn."""
        if not self.imports.admit(entry):
            return False
        self.corrected = revision
        return True

    def restore(self, views: Iterable[PatternView], loader: PatternLoader) -> None:
        """Take patterns over from views, through the *loader* of the fold's index. None of their
        names may be in the fold."""
        shown = list(views)
        loader.add(view.pattern for view in shown if not view.deleted)
        deleted = [view.pattern for view in shown if view.deleted]
        loader.count(deleted)
        self.restore_deleted(deleted)

    def restore_deleted(self, tombstones: Iterable[Pattern]) -> None:
        """Take tombstones over whose learns the index has counted."""
        for tombstone in tombstones:
            self._bury(tombstone)

    def restore_late(self, view: PatternView) -> None:
        """Take over one pattern, right after the entry at which it got its place in the order."""
        pattern = view.pattern
        place = self.revision if view.deleted else pattern.first
        self.index.put(replace(pattern, first=place), learns=pattern.learns)
        if view.deleted:
            self.index.remove(pattern.name)
            self._bury(pattern)

    def restore_statistics(self, view: StatisticsView) -> None:
        """Take over corrections and progress of imports; the patterns are in the fold already."""
        self.corrections = view.corrections
        self.imports = ImportProgress(view.parts)
        self.corrected = view.revision
        self.index.correct(view.corrections)

    def known(self, name: str) -> PatternView | None:
        """The living or deleted pattern of that name."""
        alive = self.index.get(name)
        if alive is not None:
            return PatternView(alive)
        deleted = self.tombstones.get(name)
        return None if deleted is None else PatternView(deleted, deleted=True)

    def statistics_view(self) -> StatisticsView:
        """What views of patterns do not account for: corrections and progress of imports."""
        return StatisticsView(self.corrections, dict(self.imports.parts), self.corrected)

    def reading(self, *, stale: bool = False) -> KnowledgeReading:
        """What the fold shows now; it stays so while nobody applies an entry."""
        return KnowledgeReading(
            index=self.index,
            statistics=self.statistics,
            patterns=self.patterns,
            revision=self.revision,
            cleared=self.cleared,
            stale=stale,
            tombstones=self.tombstones,
            imports=self.imports.parts,
            corrections=self.corrections,
        )

    def _learn(self, revision: int, entry: Learn) -> int:
        name = entry.name
        is_plain = entry.emotives is None and not entry.metadata and name not in self.tombstones
        if is_plain and self.index.learn(name, entry.events, revision):
            return 1
        known = self.index.get(name) or self._first(revision, name, entry.events)
        pattern = replace(
            known,
            frequency=min(known.frequency + 1, MAX_FREQUENCY),
            learns=known.learns + 1,
            emotives=_window(known.emotives, entry.emotives, entry.persistence),
            metadata=merged_metadata(known.metadata, entry.metadata),
            affinity=with_felt(known.affinity, entry.emotives),
            revision=revision,
        )
        self.index.put(pattern, learns=1)
        return pattern.frequency

    def _first(self, revision: int, name: str, events: tuple[Event, ...]) -> Pattern:
        """The pattern before its first learn, or before the first since it was deleted."""
        deleted = self.tombstones.pop(name, None)
        if deleted is not None:
            self._tombstones_bytes -= pattern_bytes(deleted)
            return replace(deleted, first=revision)
        return Pattern(name, events, frequency=0, learns=0, first=revision)

    def _update(self, revision: int, entry: Update) -> Applied:
        known = self.index.get(entry.name)
        if known is None:
            return Applied(entry, revision, 0, met=False)
        frequency = known.frequency if entry.frequency is None else entry.frequency
        emotives = known.emotives
        if entry.emotives is not None:
            emotives = _fitting_with(known.events, entry.emotives)
        updated = replace(known, frequency=frequency, emotives=emotives, revision=revision)
        self.index.put(updated)
        return Applied(entry, revision, frequency, pattern=updated)

    def _delete(self, revision: int, entry: Delete) -> Applied:
        known = self.index.get(entry.name)
        if known is None:
            return Applied(entry, revision, 0, met=False)
        self.index.remove(entry.name)
        self._bury(replace(known, frequency=0, emotives=(), metadata={}, revision=revision))
        return Applied(entry, revision, 0, pattern=known)

    def _import(self, revision: int, entry: Import) -> Applied:
        present = self.index.get(entry.name) or self.tombstones.get(entry.name)
        has_other_events = present is not None and present.events != entry.events
        # It counts as a part in any case, else the parts after it would never have their turn.
        if not self.admit(revision, entry) or has_other_events:
            return Applied(entry, revision, None, met=False)
        known = self.index.get(entry.name) or self._first(revision, entry.name, entry.events)
        learns = min(entry.learns, max(0, MAX_IMPORTED_LEARNS - known.learns))
        pattern = replace(
            known,
            frequency=min(known.frequency + entry.frequency, MAX_FREQUENCY),
            learns=known.learns + learns,
            emotives=_merged(known, entry.emotives),
            metadata=merged_metadata(known.metadata, entry.metadata),
            affinity=with_felt(known.affinity, entry.affinity),
            revision=revision,
        )
        self.index.put(pattern, learns=learns)
        return Applied(entry, revision, pattern.frequency)

    def _correct(self, revision: int, entry: Statistics) -> Applied:
        if not self.admit(revision, entry):
            return Applied(entry, revision, None, met=False)
        self.corrections = self.corrections.plus(entry.corrections)
        self.index.correct(entry.corrections)
        return Applied(entry, revision, None)

    def _bury(self, tombstone: Pattern) -> None:
        """Keep a deleted pattern, which the index does not hold (any longer)."""
        self.tombstones[tombstone.name] = tombstone
        if tombstone.affinity:
            self.index.bury(tombstone)
        self._tombstones_bytes += pattern_bytes(tombstone)

    def _clear(self, revision: int, source: str | None) -> None:
        self.cleared = revision
        self.corrections = Corrections()
        self.imports = ImportProgress({} if source is None else {source: 0})
        self.corrected = 0 if source is None else revision
        self.tombstones = {}
        self._tombstones_bytes = 0
        self.index.clear()


def _window(
    known: tuple[Emotives, ...], emotives: Emotives | None, persistence: int
) -> tuple[Emotives, ...]:
    if emotives is None:
        return known
    return _fitting((*known, emotives)[-persistence:]) if persistence > 0 else ()


def _merged(known: Pattern, imported: tuple[Emotives, ...]) -> tuple[Emotives, ...]:
    """A pattern's emotives after an import. One without any takes all the imported ones: the
    command that imports has checked that they fit."""
    if not known.emotives:
        return imported
    return _fitting_with(known.events, (*known.emotives, *imported))


def _fitting(maps: tuple[Emotives, ...]) -> tuple[Emotives, ...]:
    """The newest maps, as many as fit with events that were observed, which are bounded."""
    return maps if sum(map(len, maps)) <= FEW_EMOTIVES else _newest(maps, PATTERN_EMOTIVES_BYTES)


def _fitting_with(events: tuple[Event, ...], maps: tuple[Emotives, ...]) -> tuple[Emotives, ...]:
    """The newest maps, as many as fit with any *events*, also imported ones."""
    return _newest(maps, min(PATTERN_EMOTIVES_BYTES, VIEW_BYTES - events_bytes(events)))


def _newest(maps: tuple[Emotives, ...], room: int) -> tuple[Emotives, ...]:
    sizes = accumulate(EMOTIVE_BYTES + emotives_bytes(one) for one in reversed(maps))
    kept = sum(size <= room for size in sizes)
    return maps[len(maps) - kept :]
