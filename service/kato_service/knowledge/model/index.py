"""The port to the index of a fold: where its patterns are kept and searched (see search/)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from kato_service.domain.pattern import Event, Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts, SymbolStatistics
from kato_service.knowledge.model.pattern_filter import PatternFilter

Piece = tuple[bytes, bytes]
"""Part of an index as it is written to a file: a tag of four letters, and the content."""


@dataclass(frozen=True, slots=True)
class StoredViews:
    """Views of patterns as their store encodes them."""

    texts: tuple[bytes, ...]
    is_bson: bool
    """True: each text holds BSON documents one after the other. False: each is one JSON object."""

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.texts))

    def documents(self) -> tuple[bytes, ...]:
        """The documents one by one.

        Raises:
            ValueError: The BSON is damaged.
        """
        return tuple(_documents(self.texts)) if self.is_bson else self.texts


@dataclass(frozen=True, slots=True)
class SiftedViews:
    """What a loader could not take from stored views, and facts about what it took."""

    left: tuple[bytes, ...]
    """Documents of which nothing was taken: deleted, first learned after the checkpoint, or encoded
    in another way."""
    with_extras: tuple[bytes, ...]
    """Documents of which everything was taken except emotives, metadata and affinity."""
    newest: int = 0
    """The greatest revision of those taken; 0 if there are none."""
    has_garbage: bool = False
    """Some had revisions up to the last clear, and were dropped."""


class PatternLoader(Protocol):
    """Gathers many patterns; its index holds them once it finishes.

    Every call computes, so call it from a thread; none holds the interpreter lock for long if it is
    given at most a thousand patterns. One thread at a time. Drop a loader that raised: its index is
    as empty as before.
    """

    def add(self, patterns: Iterable[Pattern]) -> None:
        """Add patterns in any order, each once; each is counted as often as it was learned.

        Raises:
            ValueError: One of them is not a pattern.
        """

    def sift(self, views: StoredViews, *, cleared: int, checkpoint: int) -> SiftedViews:
        """Add what can be taken as it is encoded: living patterns, first learned at or before
        *checkpoint*, with a revision greater than *cleared*.

        Raises:
            ValueError: The views are damaged.
        """

    def add_extras(self, patterns: Iterable[Pattern]) -> None:
        """Add emotives, metadata and affinity of *patterns* to the added patterns of the same
        names."""

    def count(self, patterns: Iterable[Pattern]) -> None:
        """Count deleted patterns as `add` does, without keeping them."""

    def finish(self) -> None:
        """Move everything into the index, which must still be empty.

        Raises:
            ValueError: A pattern came twice, or the index is no longer empty.
        """


LOOKED_AT = 5000
"""Patterns that one selection looks at, about: a few milliseconds."""


class Selected(NamedTuple):
    """Some of the patterns that fit a filter."""

    patterns: tuple[Pattern, ...]
    reached: int | None
    """The first learn of the last pattern that was looked at: where to continue; None: there are no
    more."""


class PatternsCopy(Protocol):
    """The living patterns of an index at one moment. One thread reads it at a time."""

    def __len__(self) -> int: ...

    def pages(self) -> Iterator[Sequence[Pattern]]:
        """All patterns in order of first learns, a few at a time; `first` and `revision` may be
        missing."""


class PatternIndex(Protocol):
    """The living patterns of one fold, in order of their first learns, and the symbol statistics of
    all patterns that were ever learned."""

    @property
    def statistics(self) -> SymbolStatistics: ...

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        """Add a pattern, or replace the one of its name, whose events are the same.

        Args:
            pattern: A new one must have a greater ``first`` than all others.
            learns: How many more times its symbols are counted.
        """

    def learn(self, name: str, events: tuple[Event, ...], revision: int) -> bool:
        """The first learn of a pattern without emotives and metadata, at *revision*, as by `put`.

        Returns:
            False if the name is known, and nothing changed.
        """

    def get(self, name: str) -> Pattern | None: ...

    def remove(self, name: str) -> None:
        """Drop a pattern; its symbols stay counted. Unknown names are not an error."""

    def bury(self, tombstone: Pattern) -> None:
        """Keep the affinity of a deleted pattern, which is part of that of its symbols, until a
        pattern of this name is put again."""

    def correct(self, corrections: Corrections) -> None:
        """Add to the statistics what no pattern accounts for; patterns stay as they are. Not before
        a `loader` of this index has finished."""

    def clear(self) -> None:
        """Drop all patterns and counts."""

    def loader(self) -> PatternLoader:
        """A loader that fills this index, which is empty, from a store.

        Raises:
            ValueError: It is not empty.
        """

    def pieces(self) -> Iterator[Piece] | None:
        """Everything as it is now, to be written to a file while the index changes; None if this
        kind of index cannot be written. Iterating computes: do it from a thread."""

    def restore(self, pieces: Iterable[Piece]) -> None:
        """Fill this index, which is empty, with what *pieces* were made of. Computes: call it from
        a thread.

        Raises:
            ValueError: They are not such pieces, or not of this machine. Nothing has changed.
        """

    def __len__(self) -> int: ...

    def memory_bytes(self) -> int:
        """Estimated size, in constant time, as if this were the only index."""

    def after(self, first: int) -> Iterator[Pattern]:
        """Patterns first learned after revision *first*, in that order."""

    def copied(self) -> PatternsCopy:
        """The patterns as they are now, to be read while the index changes; takes milliseconds."""

    def counts_until(self, firsts: Sequence[int]) -> tuple[int, ...]:
        """For each revision in *firsts*, how many patterns were first learned at it or earlier."""

    def select(self, wanted: PatternFilter, *, limit: int, newest_first: bool) -> Selected:
        """Up to *limit* patterns that fit, in order of first learns or the reverse. It looks at a
        bounded number; continue by narrowing ``wanted.first``."""


class CountingIndex(PatternIndex, Protocol):
    statistics: SymbolCounts


class UnsavedIndex:
    """What indexes share that are filled one pattern at a time and have no snapshot files."""

    statistics: SymbolCounts

    def learn(self: CountingIndex, name: str, events: tuple[Event, ...], revision: int) -> bool:
        is_new = self.get(name) is None
        if is_new:
            self.put(Pattern(name, events, first=revision, revision=revision), learns=1)
        return is_new

    def correct(self, corrections: Corrections) -> None:
        self.statistics.correct(corrections)

    def bury(self, tombstone: Pattern) -> None:
        """Nothing to do: nobody asks for the affinity of symbols, unless an index says so."""

    def counts_until(self: CountingIndex, firsts: Sequence[int]) -> tuple[int, ...]:
        ordered = [one.first for one in self.after(-1)]
        return tuple(bisect_right(ordered, first) for first in firsts)

    def select(
        self: CountingIndex, wanted: PatternFilter, *, limit: int, newest_first: bool
    ) -> Selected:
        among = self.after(wanted.first.after)
        if newest_first:
            older = [one for one in among if one.first < wanted.first.before]
            among = reversed(older)
        return selected(islice(among, LOOKED_AT), wanted, limit)

    def copied(self: CountingIndex) -> "ListedPatterns":
        return ListedPatterns(tuple(self.after(-1)))

    def loader(self: CountingIndex) -> "SortingLoader":
        return SortingLoader(self)

    def pieces(self) -> None:
        """None: loading from the store is fast enough for where such an index is used."""

    def restore(self, pieces: Iterable[Piece]) -> None:
        raise ValueError("this index cannot be restored")


@dataclass(frozen=True, slots=True)
class ListedPatterns:
    """Patterns that were copied by reference: nothing changes a pattern."""

    patterns: tuple[Pattern, ...]

    def __len__(self) -> int:
        return len(self.patterns)

    def pages(self) -> Iterator[Sequence[Pattern]]:
        yield self.patterns


class SortingLoader:
    """The loader of indexes that are filled one pattern at a time: it sorts them first."""

    def __init__(self, index: CountingIndex) -> None:
        self._index = index
        self._alive: list[Pattern] = []
        self._deleted: list[Pattern] = []
        require_empty(index)

    def add(self, patterns: Iterable[Pattern]) -> None:
        self._alive += patterns

    def sift(self, views: StoredViews, *, cleared: int, checkpoint: int) -> SiftedViews:
        """Take nothing: the caller decodes all of them."""
        return SiftedViews(views.documents(), ())

    def add_extras(self, patterns: Iterable[Pattern]) -> None:
        """Nothing to do: `sift` took no pattern that could lack extras."""

    def count(self, patterns: Iterable[Pattern]) -> None:
        self._deleted += patterns

    def finish(self) -> None:
        require_empty(self._index)
        if len({pattern.name for pattern in self._alive}) < len(self._alive):
            raise ValueError("a pattern came twice")
        for pattern in self._deleted:
            self._index.statistics.add_learn(pattern.events, pattern.learns)
        self._alive.sort(key=lambda pattern: pattern.first)
        for pattern in self._alive:
            self._index.put(pattern, learns=pattern.learns)


def selected(among: Iterable[Pattern], wanted: PatternFilter, limit: int) -> Selected:
    """The first *limit* patterns that fit, of at most `LOOKED_AT`."""
    found: list[Pattern] = []
    count, reached = 0, None
    for one in among:
        count, reached = count + 1, one.first
        if wanted.fits(one):
            found.append(one)
        if len(found) == limit:
            return Selected(tuple(found), reached)
    return Selected(tuple(found), reached if count == LOOKED_AT else None)


def _documents(texts: Iterable[bytes]) -> Iterator[bytes]:
    """BSON documents one by one: each begins with its size, 4 bytes in little-endian order."""
    for text in texts:
        start = 0
        while start < len(text):
            size = int.from_bytes(text[start : start + 4], "little")
            if not 5 <= size <= len(text) - start:
                raise ValueError("damaged BSON")
            yield text[start : start + size]
            start += size


def require_empty(index: PatternIndex) -> None:
    if len(index) or index.statistics.total_learns:
        raise ValueError("only an index without patterns can be loaded")


class IndexedPatterns(Mapping[str, Pattern]):
    """An index as a mapping by bare name, which always shows what the index holds now."""

    def __init__(self, index: PatternIndex) -> None:
        self._index = index

    def __getitem__(self, name: str) -> Pattern:
        pattern = self._index.get(name)
        if pattern is None:
            raise KeyError(name)
        return pattern

    def __iter__(self) -> Iterator[str]:
        return (pattern.name for pattern in self._index.after(-1))

    def __len__(self) -> int:
        return len(self._index)
