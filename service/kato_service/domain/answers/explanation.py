"""How predictions came about, and what was left out: exact numbers, the same by every engine."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypedDict

from kato_service.domain.pattern import Event, Stm, flatten


class Position(TypedDict):
    """A symbol: the number of its event, and its own inside it, both from 0."""

    event: int
    symbol: int


class MatchedBlock(TypedDict):
    """Symbols that follow each other in the pattern and in the short-term memory alike.

    A dictionary, which becomes JSON in a fifth of the time that an object takes: there may be
    thousands.
    """

    pattern: Position
    """Where it starts in the pattern."""
    stm: Position
    """Where it starts in the short-term memory, whose oldest event is 0."""
    size: int
    """Symbols; they may continue in the events after."""
    symbols: tuple[str, ...]
    """As they were observed."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one prediction came about."""

    blocks: tuple[tuple[int, int, int], ...]
    """Of each block its start in the flattened pattern, its start in the state, and its size."""
    evidence: float
    """As the potential has it, which is weighted if symbols have weights; likewise the next two."""
    confidence: float
    snr: float
    located: tuple[MatchedBlock, ...] = ()
    """The blocks by event and symbol; see `located`."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The most similar pattern below the threshold; of equal ones the first-learned."""

    name: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a search met besides the patterns that it kept."""

    patterns: int
    """All in the knowledge base: each of them was compared."""
    sharing: int = 0
    """Those with a symbol in common with the short-term memory, kept or not."""
    nearest: Nearest | None = None
    """None: no pattern with a common symbol is below the threshold."""


def located(explanation: Explanation, pattern: Sequence[Event], stm: Stm) -> Explanation:
    """The explanation with the places of its blocks in *pattern* and *stm*."""
    in_pattern, in_stm, state = _starts(pattern), _starts(stm), flatten(stm)
    blocks = tuple(
        MatchedBlock(
            pattern=_position(in_pattern, first),
            stm=_position(in_stm, start),
            size=size,
            symbols=state[start : start + size],
        )
        for first, start, size in explanation.blocks
    )
    return replace(explanation, located=blocks)


def _starts(events: Sequence[Event]) -> list[int]:
    """Of each event, how many symbols come before it."""
    return list(accumulate(map(len, events), initial=0))[:-1]


def _position(starts: Sequence[int], place: int) -> Position:
    event = bisect_right(starts, place) - 1
    return Position(event=event, symbol=place - starts[event])
