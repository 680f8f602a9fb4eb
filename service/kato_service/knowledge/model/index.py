"""The port to where a fold keeps its patterns, so that they can be searched (search/)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts, SymbolStatistics

Piece = tuple[bytes, bytes]
"""Part of an index as it is written to a file: four letters that say what, and the content."""


@dataclass(frozen=True, slots=True)
class StoredViews:
    """Views of patterns as their store encodes them."""

    texts: tuple[bytes, ...]
    is_bson: bool
    """BSON documents, in each text one behind the other; else each text is one JSON object."""

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.texts))

    def documents(self) -> tuple[bytes, ...]:
        """One by one. Raises ValueError for damaged BSON."""
        return tuple(_documents(self.texts)) if self.is_bson else self.texts


@dataclass(frozen=True, slots=True)
class SiftedViews:
    """What came of stored views."""

    left: tuple[bytes, ...]
    """Of these nothing was taken: deleted, learned behind the checkpoint, or encoded otherwise."""
    with_extras: tuple[bytes, ...]
    """Of these all was taken but emotives and metadata."""
    newest: int = 0
    """The greatest revision of those taken, 0 for none."""
    has_garbage: bool = False
    """Some were of revisions up to the last clear and are dropped."""


class PatternLoader(Protocol):
    """Gathers many patterns; its index has them once it finishes.

    Every call computes and is to be made from a thread; none holds the interpreter for long if
    it is given at most a thousand patterns. Not for two threads at once. A loader that raised is
    to be dropped: its index is as empty as it was.
    """

    def add(self, patterns: Iterable[Pattern]) -> None:
        """Patterns in any order, each once; each is counted as often as it was learned.

        Raises:
            ValueError: One of them is no pattern.
        """

    def sift(self, views: StoredViews, *, cleared: int, checkpoint: int) -> SiftedViews:
        """Add what can be taken as it is encoded: patterns alive, first learned at or below
        *checkpoint*, with a revision greater than *cleared*.

        Raises:
            ValueError: The views are damaged.
        """

    def add_extras(self, patterns: Iterable[Pattern]) -> None:
        """Give the emotives and metadata of *patterns* to those added of their names."""

    def count(self, patterns: Iterable[Pattern]) -> None:
        """Deleted patterns: they are counted as `add` does, and not kept."""

    def finish(self) -> None:
        """Put all into the index, which nobody may have filled meanwhile.

        Raises:
            ValueError: A pattern came twice, or the index is no longer empty.
        """


class PatternIndex(Protocol):
    """The patterns of one fold that are alive, in the order of their first learn, and what was
    counted of the symbols of all that were ever learned."""

    @property
    def statistics(self) -> SymbolStatistics: ...

    def put(self, pattern: Pattern, *, learns: int = 0) -> None:
        """Add a pattern, or replace the one of its name, whose events are the same.

        Args:
            pattern: A new one has a greater ``first`` than every one before.
            learns: How often its symbols are to be counted once more.
        """

    def get(self, name: str) -> Pattern | None: ...

    def remove(self, name: str) -> None:
        """Drop a pattern, not what its symbols were counted; unknown names are no error."""

    def correct(self, corrections: Corrections) -> None:
        """Add to the statistics what no pattern accounts for. Patterns stay as they are; asked
        of a `loader`'s index, after it has finished."""

    def clear(self) -> None:
        """Drop all patterns and counts."""

    def loader(self) -> PatternLoader:
        """What fills this index while it is empty, from a store.

        Raises:
            ValueError: It is not empty.
        """

    def pieces(self) -> Iterator[Piece] | None:
        """All as it is now, to be written to a file while it goes on; None if this index cannot
        be taken apart. Iterating computes: from a thread."""

    def restore(self, pieces: Iterable[Piece]) -> None:
        """Be what *pieces* were made of; only of an empty index. Computes: from a thread.

        Raises:
            ValueError: They are not such pieces, or not of this machine. Nothing has changed.
        """

    def __len__(self) -> int: ...

    def memory_bytes(self) -> int:
        """What all of it takes, estimated in an instant."""

    def after(self, first: int) -> Iterator[Pattern]:
        """Those first learned behind revision *first*, in that order."""


class CountingIndex(PatternIndex, Protocol):
    statistics: SymbolCounts


class UnsavedIndex:
    """What indexes share that take one pattern after the other and load from the store."""

    statistics: SymbolCounts

    def correct(self, corrections: Corrections) -> None:
        self.statistics.correct(corrections)

    def loader(self: CountingIndex) -> "SortingLoader":
        return SortingLoader(self)

    def pieces(self) -> None:
        """Not worth its code: it loads from the store."""

    def restore(self, pieces: Iterable[Piece]) -> None:
        raise ValueError("this index cannot be restored")


class SortingLoader:
    """For indexes that take one pattern after the other."""

    def __init__(self, index: CountingIndex) -> None:
        self._index = index
        self._alive: list[Pattern] = []
        self._deleted: list[Pattern] = []
        require_empty(index)

    def add(self, patterns: Iterable[Pattern]) -> None:
        self._alive += patterns

    def sift(self, views: StoredViews, *, cleared: int, checkpoint: int) -> SiftedViews:
        """Nothing is taken."""
        return SiftedViews(views.documents(), ())

    def add_extras(self, patterns: Iterable[Pattern]) -> None:
        """There are none: `sift` took nothing."""

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


def _documents(texts: Iterable[bytes]) -> Iterator[bytes]:
    """BSON documents one by one: each begins with its size."""
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
    """An index by bare name; it always shows what the index holds now."""

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
