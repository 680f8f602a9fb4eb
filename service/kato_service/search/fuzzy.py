"""States as the patterns spell them (later-clients.md L6), for the numpy engine."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kato_service.domain.spelling import VECTOR_PREFIX, Spelling
from kato_service.search.pace import Pace, paced

MAX_ALIKE = 1 << 22
"""Pairs of a symbol of the state and one of the knowledge base that may be alike in one search, so
that it takes tens of megabytes at most. As in native/align/alike.c."""

_Alike = tuple[str, float]
"""A symbol of the state, and its ratio to one of the knowledge base."""


@dataclass(frozen=True, slots=True)
class FuzzyState:
    """A state, and which symbols of the knowledge base are spelled like its own."""

    state: tuple[str, ...]
    sought: Mapping[str, int]
    """By symbol of the knowledge base, how often the state may hold it as a pattern spells it."""
    _alike: Mapping[str, Sequence[_Alike]]
    """By symbol of the knowledge base, the symbols of the state like it, itself included."""

    @classmethod
    def of(
        cls, state: tuple[str, ...], known: Iterable[str], threshold: float, pace: Pace
    ) -> "FuzzyState":
        """Compare *state* with the symbols *known* to the knowledge base.

        Args:
            threshold: The least ratio of symbols that are alike, above 0.

        Raises:
            TimeoutError: Its *pace* gives it no more time.
            OverflowError: More than `MAX_ALIKE` pairs of symbols are alike.
        """
        counts = Counter(state)
        own = [Spelling(one, threshold) for one in counts if not one.startswith(VECTOR_PREFIX)]
        alike: dict[str, Sequence[_Alike]] = {}
        shared: dict[_Alike, _Alike] = {}  # equal pairs take memory once
        left = MAX_ALIKE
        for symbol in paced(known, pace):
            if symbol.startswith(VECTOR_PREFIX):
                continue
            pairs = ((one.symbol, one.ratio(symbol)) for one in own)
            if found := [shared.setdefault(pair, pair) for pair in pairs if pair[1]]:
                alike[symbol] = found
                left -= len(found)
            if left < 0:
                raise OverflowError("too many symbols are alike")
        sought = dict(counts)
        for symbol, pairs_of in alike.items():
            sought[symbol] = sum(counts[one] for one, _ratio in pairs_of)
        return cls(state, sought, alike)

    def respelled(self, symbols: Sequence[str]) -> tuple[str, ...] | None:
        """The state as a pattern spells it; None if the pattern changes nothing.

        A symbol that the pattern lacks becomes the one most like it, the first of equals. One that
        the pattern holds stays: only equal symbols have the ratio 1.

        Args:
            symbols: The flattened pattern.
        """
        best: dict[str, tuple[float, str]] = {}
        for symbol in dict.fromkeys(symbols):
            for own, ratio in self._alike.get(symbol, ()):
                if own not in best or ratio > best[own][0]:
                    best[own] = ratio, symbol
        if all(own == symbol for own, (_ratio, symbol) in best.items()):
            return None
        return tuple(best[own][1] if own in best else own for own in self.state)
