"""How alike two symbols are spelled, for fuzzy matching (later-clients.md L6)."""

VECTOR_PREFIX = "VCTR|"
"""What the symbols of vectors begin with. They match exactly, or not at all."""


class Spelling:
    """A symbol, prepared to be compared with many others."""

    __slots__ = ("_all", "_masks", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._all = (1 << len(symbol)) - 1
        self._masks: dict[str, int] = {}
        """By character, its places in the symbol as bits."""
        for place, character in enumerate(symbol):
            self._masks[character] = self._masks.get(character, 0) | 1 << place

    def ratio(self, other: str, least: float = 0.0) -> float:
        """``1 − (|x| + |y| − 2·L) / (|x| + |y|)`` in [0, 1], or 0.0 if it is below *least*.

        L is the length of the longest common subsequence in code points. Only equal symbols have
        the ratio 1.0.
        """
        own, total = len(self.symbol), len(self.symbol) + len(other)
        # L is at most the length of the shorter symbol, which rules out most pairs at once.
        if _ratio(min(own, len(other)), total) < least:
            return 0.0
        found = _ratio(self._common(other), total)
        return found if found >= least else 0.0

    def _common(self, other: str) -> int:
        """The length of the longest common subsequence, for all places of the symbol at once.

        A bit that is 0 stands for a step of the subsequence (Hyyrö's bit-parallel algorithm).
        """
        masks, steps = self._masks, self._all
        for character in other:
            hits = steps & masks.get(character, 0)
            steps = (steps + hits) | (steps - hits)
        return (~steps & self._all).bit_count()


def ratio(one: str, other: str) -> float:
    """How alike two symbols are, in [0, 1]."""
    return Spelling(one).ratio(other)


def _ratio(common: int, total: int) -> float:
    # The order of operations is that of native/query/spelling.c: it decides ties with a threshold.
    return 1.0 - (total - 2 * common) / total if total else 1.0
