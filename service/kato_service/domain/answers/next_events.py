"""What comes next after a short-term memory, and what it weighs (decision 0064).

Sums are plain additions in order of first learns, so that every engine gives the same doubles.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Generic, TypeVar

from kato_service.domain.pattern import Event
from kato_service.domain.prediction_metrics import round12

T = TypeVar("T")
NAMES_BEHIND = 10
"""Patterns that are named behind something that may come next: those that weigh most."""


@dataclass(frozen=True, slots=True)
class Expected(Generic[T]):
    """Something that may come next, and the patterns behind it."""

    value: T
    weight: float
    """Its share of the weight of all patterns that were kept, in [0, 1], rounded to 12 decimals."""
    patterns: int
    """How many patterns are behind it."""
    names: tuple[str, ...]
    """Of those that weigh most, equal ones in order of first learns; bare, at most
    `NAMES_BEHIND`."""


@dataclass(frozen=True, slots=True)
class Next:
    """What may come next, the greatest weight first, equal ones in order of first learns.

    The weights of all events and of the stop add up to 1, but for their rounding; or there is
    nothing to say, no event, and the stop weighs 0. A symbol weighs what the events that hold it
    weigh.
    """

    events: tuple[Expected[Event], ...] = ()
    symbols: tuple[Expected[str], ...] = ()
    stop: Expected[None] = Expected(None, 0.0, 0, ())
    """Patterns that end with what was observed."""
    event_count: int = 0
    """Of all events; `events` may be a part of them, as `symbols` of all symbols."""
    symbol_count: int = 0


NOTHING_NEXT = Next()


@dataclass(frozen=True, slots=True)
class Continued:
    """A pattern that was kept and has a matching symbol."""

    name: str
    weight: float
    """Frequency times similarity."""
    future: tuple[Event, ...]


@dataclass(slots=True)
class _Coming(Generic[T]):
    value: T
    weight: float = 0.0
    behind: list[Continued] = field(default_factory=list)

    def add(self, one: Continued) -> None:
        self.weight += one.weight
        self.behind.append(one)

    def expected(self, whole: float) -> Expected[T]:
        # Stable: equal ones stay in order of first learns.
        heaviest = nsmallest(NAMES_BEHIND, self.behind, key=lambda one: -one.weight)
        names = tuple(one.name for one in heaviest)
        return Expected(self.value, round12(self.weight / whole), len(self.behind), names)


def next_of(kept: Iterable[Continued], begin: int, end: int) -> Next:
    """What the patterns *kept* expect next.

    Args:
        kept: In order of first learns.
        begin, end: The part of the events, and of the symbols, that is listed.
    """
    events: dict[Event, _Coming[Event]] = {}
    symbols: dict[str, _Coming[str]] = {}
    stop: _Coming[None] = _Coming(None)
    whole = 0.0
    for one in kept:
        whole += one.weight
        if not one.future:
            stop.add(one)
            continue
        event = one.future[0]
        events.setdefault(tuple(sorted(event)), _Coming(event)).add(one)
        for symbol in dict.fromkeys(event):
            symbols.setdefault(symbol, _Coming(symbol)).add(one)
    if not whole:
        return NOTHING_NEXT
    return Next(
        _ranked(events.values(), whole, begin, end),
        _ranked(symbols.values(), whole, begin, end),
        stop.expected(whole),
        len(events),
        len(symbols),
    )


def _ranked(
    found: Iterable[_Coming[T]], whole: float, begin: int, end: int
) -> tuple[Expected[T], ...]:
    by_weight: Callable[[_Coming[T]], float] = lambda one: -round12(one.weight / whole)  # noqa: E731  # mypy needs its type
    return tuple(one.expected(whole) for one in sorted(found, key=by_weight)[begin:end])
