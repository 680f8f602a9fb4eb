"""The port of matching engines: which patterns line up with a state, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kato_service.domain.alignment import Block
from kato_service.domain.pattern import Pattern
from kato_service.knowledge.index import PatternIndex


@dataclass(frozen=True, slots=True)
class Match:
    pattern: Pattern
    symbol_count: int
    blocks: tuple[Block, ...]
    """The matching blocks in order; () at threshold 0 for a pattern without a common symbol."""
    matched: int
    """Symbols in *blocks*."""
    similarity: float


class MatchingIndex(PatternIndex, Protocol):
    """A fold's index that can be asked, by any number of threads while nothing changes it."""

    def matches(self, state: Sequence[str], threshold: float) -> tuple[Match, ...]:
        """Every pattern whose similarity to *state* is at least *threshold*.

        As an exhaustive ``SequenceMatcher(None, pattern, state, autojunk=False)`` would find
        them; at exactly 0.0 every pattern there is.
        """
