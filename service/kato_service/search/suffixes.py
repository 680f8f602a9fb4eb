"""The suffixes of a long state in sorted order: where a string of its symbols occurs.

The plain engine's counterpart of native/align/suffixes.c.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kato_service.search.pace import Pace

Ranks = tuple[int, int]
"""Neighbours in the sorted order: the first, and the one after the last."""
_Numbers = NDArray[np.int32]
_FEW = 32
"""Ranks that are looked through one by one."""


class Suffixes:
    def __init__(self, state: Sequence[str], pace: Pace) -> None:
        self.length = len(state)
        self._pace = pace
        self._numbers: dict[str, int] = {}
        text = [self._numbers.setdefault(symbol, len(self._numbers)) for symbol in state]
        self._order, ranks = _sorted(np.array(text, dtype=np.int64), pace)
        self._text = text
        self.order = self._order.data
        """The places where suffixes start, sorted by the suffix."""
        self.ranks = ranks.data
        """The inverse: by place."""
        self._shared = [one.data for one in self._shared_with_neighbours()]

    def alike(self, rank: int, size: int) -> Ranks:
        """All suffixes that share at least their first *size* symbols with the one at *rank*."""
        if size == 0:
            return 0, self.length
        start, end = rank, rank + 1
        for level in self._levels():
            step = 1 << level
            if end + step <= self.length and self._shared[level][end] >= size:
                end += step
            if start + 1 >= step and self._shared[level][start + 1 - step] >= size:
                start -= step
        return start, end

    def going_on(self, among: Ranks, size: int, symbol: str) -> Ranks:
        """Those of *among* whose symbol after the first *size*, which all share, is *symbol*."""
        number = self._numbers.get(symbol)
        if number is None:
            return 0, 0
        start = self._first_going_on(among, size, number)
        return start, self._first_going_on((start, among[1]), size, number + 1)

    def first(self, among: Ranks, low: int) -> int:
        """The first place from *low* on where one of them starts; `length` if there is none."""
        start, end = among
        if end - start <= _FEW:
            places = (place for place in self.order[start:end] if place >= low)
            return min(places, default=self.length)
        found = self._order[start:end]
        found = found[found >= low]
        return int(found.min()) if found.size else self.length

    def _levels(self) -> range:
        """From the widest step on: each is taken once at most, and together they reach any rank."""
        return range(len(self._shared) - 1, -1, -1)

    def _first_going_on(self, among: Ranks, size: int, number: int) -> int:
        start, end = among
        while start < end:
            middle = (start + end) // 2
            place = self.order[middle] + size
            if place >= self.length or self._text[place] < number:
                start = middle + 1
            else:
                end = middle
        return start

    def _shared_with_neighbours(self) -> list[_Numbers]:
        """Per level and rank: how many first symbols each of the next 2^level suffixes shares with
        the one before it; the least of them."""
        levels = [self._shared_with_last()]
        while (step := 1 << len(levels)) <= self.length:
            half = levels[-1]
            least = np.zeros(self.length, dtype=np.int32)
            count = self.length - step + 1
            np.minimum(half[:count], half[step // 2 : step // 2 + count], out=least[:count])
            levels.append(least)
        return levels

    def _shared_with_last(self) -> _Numbers:
        """One place later it is one symbol less at most, so no symbol is compared again."""
        shared = np.zeros(self.length, dtype=np.int32)
        size = 0
        for place in range(self.length):
            if place % 4096 == 0:
                self._pace.look()
            rank = self.ranks[place]
            size = self._extended(place, self.order[rank - 1], size) if rank else 0
            shared[rank] = size
            size = max(size - 1, 0)
        return shared

    def _extended(self, place: int, other: int, size: int) -> int:
        most = self.length - max(place, other)
        while size < most and self._text[place + size] == self._text[other + size]:
            size += 1
        return size


def _sorted(text: NDArray[np.int64], pace: Pace) -> tuple[_Numbers, _Numbers]:
    """Order and ranks, by prefix doubling: by one symbol, two, four, … until all ranks differ."""
    ranks, length, half = text, len(text), 1
    order = np.argsort(ranks, kind="stable")
    while True:
        pace.look()
        second = np.full(length, -1, dtype=np.int64)
        second[: max(length - half, 0)] = ranks[half:]
        keys = ranks * (length + 1) + second + 1
        order = np.argsort(keys, kind="stable")
        differs = np.diff(keys[order], prepend=keys[order[0]]) != 0
        ranks = np.empty(length, dtype=np.int64)
        ranks[order] = np.cumsum(differs)
        half *= 2
        if ranks[order[-1]] == length - 1:
            return order.astype(np.int32), ranks.astype(np.int32)
