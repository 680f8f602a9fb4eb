"""How alike two symbols are spelled, for fuzzy matching (later-clients.md L6)."""

VECTOR_PREFIX = "VCTR|"
"""What the symbols of vectors begin with. They match exactly, or not at all."""


class Spelling:
    """A symbol, prepared to be compared with many others."""

    __slots__ = ("_all", "_least", "_masks", "_needed", "symbol")

    def __init__(self, symbol: str, least: float = 0.0) -> None:
        """*least*: the ratio from which another symbol is like this one."""
        self.symbol = symbol
        self._least = least
        self._needed: dict[int, int] = {}
        """By the length of the other symbol, the least common part that reaches *least*."""
        self._all = (1 << len(symbol)) - 1
        self._masks: dict[str, int] = {}
        """By character, its places in the symbol as bits."""
        for place, character in enumerate(symbol):
            self._masks[character] = self._masks.get(character, 0) | 1 << place

    def ratio(self, other: str) -> float:
        """``1 − (|x| + |y| − 2·L) / (|x| + |y|)`` in [0, 1], or 0.0 if it is below the least one.

        L is the length of the longest common subsequence in code points. Only equal symbols have
        the ratio 1.0.
        """
        own, length = len(self.symbol), len(other)
        needed = self._needed.get(length)
        if needed is None:
            needed = self._needed[length] = _least_common(self._least, own + length)
        # Two bounds of L rule out most pairs: the shorter symbol, and letters that both have.
        if needed > min(own, length) or needed > own - len(self._masks.keys() - other):
            return 0.0
        common = self._common(other)
        return _ratio(common, own + length) if common >= needed else 0.0

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


def _least_common(least: float, total: int) -> int:
    """The least L whose ratio reaches *least*, by the expression of the ratio itself."""
    common = int(least * total / 2)
    while _ratio(common, total) < least:
        common += 1
    while common > 0 and _ratio(common - 1, total) >= least:
        common -= 1
    return common


def _ratio(common: int, total: int) -> float:
    # The order of operations is that of native/align/spelling.c: it decides ties with a threshold.
    return 1.0 - (total - 2 * common) / total if total else 1.0
