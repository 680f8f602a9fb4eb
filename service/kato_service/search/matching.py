"""The port to matching engines: the patterns of a fold, and the best of them for a state."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from kato_service.domain.answers.explanation import Surroundings
from kato_service.domain.answers.next_events import Next
from kato_service.domain.genes import RankKey
from kato_service.domain.pattern import Pattern
from kato_service.domain.prediction import FuturePotential, Prediction
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search.pace import Pace

ANY_MATCH = 5e-324
"""The least threshold above 0: every pattern that shares a symbol with the state reaches it."""


@dataclass(frozen=True, slots=True)
class Details:
    """What a request asks for in addition to the predictions of processor.md §7."""

    later: bool = False
    """The metrics of later-clients.md L1–L5 and L8, in each prediction."""
    futures: bool = False
    """The potentials of futures (later-clients.md L2)."""
    next: bool = field(default=False, kw_only=True)
    """What comes next (decision 0064), instead of predictions."""
    explain: bool = field(default=False, kw_only=True)
    """How each prediction came about, and what was left out."""
    offset: int = field(default=0, kw_only=True)
    """How many of the best are passed over."""
    as_text: bool = field(default=False, kw_only=True)
    """Whether JSON may be given instead of predictions, by an engine that writes it itself."""


NO_DETAILS = Details()


@dataclass(frozen=True, slots=True)
class Wanted(Details):
    """The same, and how the predictions are selected and ranked."""

    rank_by: RankKey = "potential"
    in_first_event: bool = False
    """Only patterns whose first event holds the state's one symbol (later-clients.md L7)."""
    fuzzy_threshold: float = 0.0
    """How alike symbols have to be to match (later-clients.md L6); 0.0: only equal ones match."""
    affinity_emotive: str | None = None
    """The emotive by which symbols have weights, and these an effect (later-clients.md L8)."""

    @property
    def is_plain(self) -> bool:
        """Whether predictions of processor.md §7 are all of it."""
        return replace(self, offset=0, as_text=False) == PLAIN


PLAIN = Wanted()


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    predictions: tuple[Prediction, ...] = ()
    future_potentials: tuple[FuturePotential, ...] = ()
    kept: int = 0
    """Patterns that reach the threshold, listed or not."""
    next: Next | None = None
    """None: it was not asked for."""
    around: Surroundings | None = None
    """None: it was not asked for."""
    texts: tuple[bytes, ...] | None = None
    """JSON of the predictions as the current API has them, with commas in between: a few in each
    text. None: there are `predictions` instead."""
    listed: int = 0
    """Predictions in `texts`."""


class SymbolRow(NamedTuple):
    """A symbol and its counts."""

    symbol: str
    occurrences: int
    """Over all learns."""
    holders: int
    """Patterns that hold it now."""


class Searchable(Protocol):
    def found(
        self,
        state: tuple[str, ...],
        wanted: Wanted,
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> Found:
        """The *limit* best predictions, best first, equal ones by first learn, and what else is
        *wanted*, which may need every pattern found.

        They are the best of all patterns that an exhaustive ``SequenceMatcher(None, pattern, state,
        autojunk=False)`` finds at least *threshold* similar (0.0: of all patterns). Any number of
        threads may ask at once.

        Args:
            state: The flattened STM.
            limit: Things that are listed, after those that are passed over.
            pace: What may hold it up or end it; it looks about every millisecond.

        Raises:
            TimeoutError: Its pace gives it no more time.
            OverflowError: Too many symbols are alike (see `fuzzy`).
        """


class MatchingIndex(PatternIndex, Searchable, Protocol):
    """A fold's index. It may be asked itself while nothing changes it."""

    def frozen(self, *, weighs: bool = False) -> Searchable | None:
        """A frozen copy, which may be asked whatever changes in the index later; None if copies
        of this kind of index cost too much.

        Args:
            weighs: Whether it will be asked for what symbols weigh, which makes the copy larger.
        """

    def best(
        self,
        state: tuple[str, ...],
        *,
        threshold: float,
        limit: int,
        pace: Pace | None = None,
    ) -> tuple[Prediction, ...]:
        """The predictions that `found` finds where nothing else is wanted."""

    def felt(self) -> Iterator[Pattern]:
        """Patterns that have an affinity: the living ones in order of first learns, then the
        deleted ones in order of their names."""

    def symbol_rows(self, pace: Pace) -> Iterator[SymbolRow]:
        """All symbols that were ever learned, in any order.

        Raises:
            TimeoutError: Its *pace* gives it no more time.
        """
