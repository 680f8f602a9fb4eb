"""The compiled engine (native/python/). Every call may raise MemoryError; it has changed nothing
then."""

from collections.abc import Iterator
from typing import Literal, overload

from kato_service.domain.pattern import Event
from kato_service.search.pace import Pace

Events = tuple[Event, ...]
Symbols = tuple[str, ...]
ExtrasText = tuple[bytes, bytes | None]
"""The JSON of the emotives and of the metadata of a prediction; None: it has no metadata."""
Row = tuple[
    str,  # name
    int,  # frequency
    Symbols,  # matches
    Events,  # past
    Events,  # present
    Symbols,  # missing
    Symbols,  # extras
    float,  # potential
    float,  # evidence
    float,  # similarity
    float,  # fragmentation
    float,  # snr
    float,  # entropy
    float,  # hamiltonian
    float,  # grand_hamiltonian
    float,  # confluence
    Events,  # sequence
    Events,  # future
    float,  # confidence
    float,  # itfdf_similarity
    tuple[int, ...],  # blocks
]

class Index:
    def __len__(self) -> int: ...
    def put(
        self,
        name: str,
        events: Events,
        frequency: int,
        learns: int,
        first: int,
        revision: int,
        counted: int,
        /,
    ) -> None:
        """Add a pattern, or replace the one of its name.

        *counted*: learns that are added to the symbol counts."""

    def learn(self, name: str, events: Events, revision: int, /) -> bool:
        """Add a pattern with its first learn; False: its name is known, nothing changed."""

    def get(self, name: str, /) -> tuple[Events, int, int, int, int] | None:
        """Events, frequency, learns, first, revision."""

    def remove(self, name: str, /) -> bool: ...
    def clear(self) -> None: ...
    def after(self, first: int, limit: int, /) -> tuple[str, ...]:
        """Up to *limit* names of patterns first learned after revision *first*, in that order."""

    def until(self, first: int, /) -> int:
        """How many patterns were first learned at revision *first* or earlier."""

    def wanted(
        self,
        symbols: Symbols,
        newest_first: bool,
        after: int,
        before: int,
        changed_after: int,
        changed_before: int,
        least: int,
        most: int,
        limit: int,
        steps: int,
        /,
    ) -> tuple[tuple[str, ...], int]:
        """Up to *limit* names of patterns that hold all *symbols*, in order of first learns, or the
        reverse. It looks at about *steps* patterns, and gives the first learn of the last one; 0 if
        there are no more."""

    def frozen(self, with_occurrences: bool = ..., /) -> Frozen:
        """A frozen copy (copy on write) for queries; takes microseconds. Occurrences, which queries
        with a column need, are copied: that takes a millisecond for a million symbols."""

    def memory_bytes(self) -> int: ...
    def dump(self) -> Dump:
        """A frozen copy of everything, to be written to a file; takes milliseconds."""

    def count(self, symbol: str, /) -> tuple[int, int]:
        """The symbol's pattern member frequency and occurrences."""

    def totals(self) -> tuple[int, int, int, int]:
        """TP, TS, TSP and S: see `SymbolStatistics`."""

    def counts(self, start: int, limit: int, /) -> tuple[tuple[str, int, int], ...]:
        """Up to *limit* symbols from number *start* on, each with its two counts."""

    def correct(
        self,
        rows: tuple[tuple[str, int, int], ...],
        learns: int,
        symbols: int,
        distinct_symbols: int,
        /,
    ) -> None:
        """Add *rows* to the counts of symbols, and the rest to the totals."""

class Loader:
    """Gathers patterns in any order for a new index. After any error it can only be dropped."""

    def __init__(self, hash_key: int, other_half: int, /) -> None: ...
    def put(
        self,
        name: str,
        events: Events,
        frequency: int,
        learns: int,
        first: int,
        revision: int,
        /,
    ) -> None: ...
    def count(self, events: Events, learns: int, /) -> None:
        """Count the symbols of a pattern without adding it."""

    def load(
        self, texts: tuple[bytes, ...], is_bson: bool, cleared: int, checkpoint: int, /
    ) -> tuple[tuple[tuple[bytes, bool], ...], int, bool]:
        """Add the patterns in documents; computes without the interpreter lock.

        Returns the documents that Python has to look at, each with whether everything except its
        emotives and metadata was added; the greatest revision of those added; and whether some were
        garbage."""

    def finish(self) -> Index:
        """The index, in order of first learns; computes without the interpreter lock."""

class Dump:
    """A frozen copy of an index in pieces, each of which is made when it is asked for."""

    def sizes(self) -> tuple[int, int, int, int, int]:
        """Numbers of segments and of symbols; TP, TS and TSP."""

    def symbols(self, start: int, limit: int, /) -> Symbols: ...
    def counts(self, start: int, limit: int, /) -> bytes:
        """Two 64-bit numbers for each of these symbols, as far as they were counted."""

    def segment(self, number: int, /) -> bytes: ...
    def patterns(
        self, segment: int, start: int, limit: int, /
    ) -> tuple[list[tuple[str, Events, int, int]], int]:
        """Name, events, frequency and learns of each living pattern of a segment, in order of first
        learns, looking at *limit* places from *start* on; and the place to continue from, 0 at the
        end."""

class Restorer:
    """Puts pieces together, symbols first. After any error it can only be dropped.

    Whatever the pieces are, nothing worse than ValueError happens."""

    def symbols(self, symbols: Symbols, /) -> None: ...
    def counts(self, start: int, counts: bytes, /) -> None: ...
    def segment(self, segment: bytes, /) -> None:
        """Computes without the interpreter lock."""

    def finish(self, learns: int, symbols: int, distinct_symbols: int, /) -> Index: ...

class Frozen:
    def best(
        self,
        state: Symbols,
        threshold: float,
        limit: int,
        until: float = ...,
        pace: Pace | None = ...,
        flags: int = ...,
        rank: int = ...,
        fuzzy: float = ...,
        column: Column | None = ...,
        /,
    ) -> Answer:
        """Computes without the interpreter lock; any number of threads may ask at once.

        Raises TimeoutError at *until*, in seconds of the monotonic clock, or later by as long as
        *pace* held it up; so does reading a row. Raises OverflowError if too many symbols are
        alike.

        *flags*: 1 for the metrics of later clients, 2 for the potentials of futures, 4 for patterns
        only whose first event holds the state's one symbol, 8 for what comes next instead of
        predictions, 16 to look around at patterns that are not kept. *rank*: a place in
        `compiled_index.RANKS`; by a weighted field only with a column. *fuzzy*: how alike symbols
        have to be to match; 0: equal. *column*: the affinities by which symbols are weighed, which
        need a copy with occurrences."""

    def column(self, names: bytes | None, values: bytes, /) -> Column:
        """An empty column. *names*: raw names, 20 bytes each, of the patterns that have a value,
        each once; None: every pattern has the value 1. *values*: as many doubles."""

class Column:
    """A sum for every symbol number. One thread makes it; settled, any number may use it."""

    def add_segment(self, number: int, /) -> bool:
        """Add the value of every living pattern of a segment to each of its symbols, in order of
        first learns; without the interpreter lock. False: there are no so many segments."""

    def add_symbols(self, symbols: Symbols, value: float, /) -> None:
        """Add a value to each of the symbols."""

    def settle(self) -> None:
        """Nothing more is added: drop what only that needs."""

    def sums(self) -> bytes:
        """The sums as doubles, by symbol number."""

    @property
    def size_bytes(self) -> int: ...

class Answer:
    """The best predictions, best first; a row is made when it is read. For one thread at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Row: ...
    def __iter__(self) -> Iterator[Row]: ...
    def anomalies(self, place: int, /) -> tuple[tuple[str, str, float], ...]:
        """The fields of each `Anomaly` of the prediction at *place*."""

    def text(self, begin: int, end: int, extras: tuple[ExtrasText | None, ...] | None, /) -> bytes:
        """The predictions from *begin* to before *end* as JSON objects of the API with commas in
        between; written without the interpreter lock.

        *extras*: those of each of them, if it has any; None: none of them has any."""

    def name(self, place: int, /) -> str:
        """The name of the pattern of the prediction at *place*."""

    def later(self, place: int, /) -> tuple[float, ...]:
        """The fields of `LaterMetrics` of the prediction at *place*."""

    def weighted(self, place: int, /) -> tuple[float, float, float, float]:
        """The fields of `WeightedMetrics` of the prediction at *place*; with a column only."""

    def explained(
        self, place: int, /
    ) -> tuple[tuple[tuple[int, int, int], ...], float, float, float]:
        """The first fields of the `Explanation` of the prediction at *place*."""

    def kept(self) -> int:
        """Patterns that reach the threshold, among the best or not."""

    def around(self) -> tuple[int, int, str | None, float]:
        """All patterns; if it looked around, those that share a symbol with the state, and the name
        and the similarity of the nearest one below the threshold (None: there is none)."""

    def next_counts(self) -> tuple[int, int]:
        """How many events, and how many symbols, may come next."""

    @overload
    def next(self, which: Literal[0], place: int, /) -> tuple[Event, float, int, Symbols]: ...
    @overload
    def next(self, which: Literal[1], place: int, /) -> tuple[str, float, int, Symbols]: ...
    @overload
    def next(self, which: Literal[2], place: int, /) -> tuple[None, float, int, Symbols]:
        """The fields of `Expected` of an event, of a symbol, or of the stop. Those after the limit
        name no patterns."""

    def futures(self) -> int:
        """How many futures there are."""

    def future(self, place: int, /) -> tuple[Events, float, int, float]:
        """The fields of `FuturePotential`, the greatest potential first."""

def round12(value: float, /) -> float: ...
def number_text(value: float, /) -> str:
    """A number as `Answer.text` writes it: the shortest decimal, in the spelling of orjson."""

def fail_allocations_after(count: int, /) -> None:
    """In builds with KATO_FAULT_INJECTION: let the allocation after *count* more fail, and all
    after it; -1: none. In other builds it does nothing."""

def shared_strings() -> tuple[int, int, int]:
    """Strings that are held for symbols, each once for all indexes: how many, the bytes of the
    tables that list them, and the bytes that their holders would need if each had its own."""
