"""What the compiled engine offers (native/*_object.c). Every call may raise MemoryError and then
has changed nothing."""

from collections.abc import Iterator

from kato_service.domain.pattern import Event

Events = tuple[Event, ...]
Symbols = tuple[str, ...]
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
        """Add or replace; *counted*: learns that the symbol counts gain."""

    def get(self, name: str, /) -> tuple[Events, int, int, int, int] | None:
        """Events, frequency, learns, first, revision."""

    def remove(self, name: str, /) -> bool: ...
    def clear(self) -> None: ...
    def after(self, first: int, limit: int, /) -> tuple[str, ...]:
        """Names in the order of their first learn, behind that revision."""

    def snapshot(self) -> Snapshot:
        """All as it is now, whatever changes later; made in microseconds."""

    def memory_bytes(self) -> int: ...
    def dump(self) -> Dump:
        """All as it is now, whatever changes later; made in milliseconds."""

    def count(self, symbol: str, /) -> tuple[int, int]:
        """Pattern member frequency and occurrences."""

    def totals(self) -> tuple[int, int, int, int]:
        """Learns, symbols, distinct symbols over learns, symbols."""

    def counts(self, start: int, limit: int, /) -> tuple[tuple[str, int, int], ...]:
        """Symbols as they were met, from that place on, each with its counts."""

    def correct(
        self,
        rows: tuple[tuple[str, int, int], ...],
        learns: int,
        symbols: int,
        distinct_symbols: int,
        /,
    ) -> None:
        """Add to the counts of symbols and to the totals."""

class Loader:
    """After any error it can only be dropped, which takes no other promise back."""

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
        """Count the symbols of a pattern that is not to be there."""

    def load(
        self, texts: tuple[bytes, ...], is_bson: bool, cleared: int, checkpoint: int, /
    ) -> tuple[tuple[tuple[bytes, bool], ...], int, bool]:
        """Add the patterns of documents; computed without the interpreter lock.

        Returns the documents that are left, each with whether all but emotives and metadata was
        added, the greatest revision of those added, and whether some were garbage."""

    def finish(self) -> Index:
        """All of it by ascending first; computed without the interpreter lock."""

class Dump:
    """An index in pieces, each made when it is asked for."""

    def sizes(self) -> tuple[int, int, int, int, int]:
        """Segments and symbols; learns, symbols and distinct symbols over learns."""

    def symbols(self, start: int, limit: int, /) -> Symbols: ...
    def counts(self, start: int, limit: int, /) -> bytes:
        """Two numbers for each of those symbols that were counted."""

    def segment(self, number: int, /) -> bytes: ...

class Restorer:
    """Puts the pieces together, symbols first; after any error it can only be dropped.

    Whatever the pieces are, nothing worse than ValueError comes of it."""

    def symbols(self, symbols: Symbols, /) -> None: ...
    def counts(self, start: int, counts: bytes, /) -> None: ...
    def segment(self, segment: bytes, /) -> None:
        """Computed without the interpreter lock."""

    def finish(self, learns: int, symbols: int, distinct_symbols: int, /) -> Index: ...

class Snapshot:
    def best(self, state: Symbols, threshold: float, limit: int, until: float = ..., /) -> Answer:
        """Computed without the interpreter lock; any number of threads at once.

        Raises TimeoutError at *until*, seconds of the monotonic clock; so does reading a row."""

class Answer:
    """The best, best first; a row is made when it is read. For one thread."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Row: ...
    def __iter__(self) -> Iterator[Row]: ...

def round12(value: float, /) -> float: ...
def fail_allocations_after(count: int, /) -> None:
    """In builds with KATO_FAULT_INJECTION: the allocation after *count* more fails, and all
    behind it; -1 ends that. Elsewhere it does nothing."""
