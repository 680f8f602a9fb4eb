"""difflib's matching blocks of a long state, at a cost that stays bounded where both repeat.

As native/align/align_long.c and align_repeats.c do it, which say why it is right.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from kato_service.domain.alignment import Block
from kato_service.search.pace import Pace
from kato_service.search.suffixes import Suffixes

_Box = tuple[int, int, int, int]
"""Rows of the pattern and places of the state: of each the first, and the one after the last."""
STEPS_A_ROW = 128
"""Of the walk over pairs of equal symbols, for a pattern, before bounds on its rows are cheaper."""
PATIENCE = 64
"""Such steps for each symbol of the state, before sorting its suffixes is cheaper."""
NARROW = 32
"""Symbols of the state in boxes that are walked in any case."""
STEPS_A_LOOK = 1 << 13
"""A millisecond."""


class LongAlignment:
    """Of patterns with one state."""

    def __init__(self, state: Sequence[str], pace: Pace) -> None:
        self._state = state
        self._pace = pace
        self._places: dict[str, list[int]] = {}
        for place, symbol in enumerate(state):
            self._places.setdefault(symbol, []).append(place)
        self._suffixes: Suffixes | None = None
        self._patience = float(PATIENCE * len(state))
        self._steps_left = 0.0
        self._steps_to_look = STEPS_A_LOOK

    def blocks(self, symbols: Sequence[str]) -> tuple[Block, ...]:
        """In order, without the empty one that difflib appends.

        Raises:
            TimeoutError: Its pace gave it no more time.
        """
        found: list[Block] = []
        bounds: _Bounds | None = None
        self._steps_left = STEPS_A_ROW * len(symbols) + self._patience
        boxes: list[_Box] = [(0, len(symbols), 0, len(self._state))]
        while boxes:
            box = boxes.pop()
            self._pace.look()
            block = self._longest(symbols, box, bounds)
            if block is None:
                bounds = self._bounds(symbols)
                boxes.append(box)
            elif block[2] == 1:
                found += self._chain(symbols, box)
            elif block[2] > 1:
                found.append(block)
                boxes += _rest(box, block)
        self._patience = min(self._patience, self._steps_left)
        return tuple(sorted(found))

    def _bounds(self, symbols: Sequence[str]) -> "_Bounds":
        self._patience = 0.0
        self._steps_left = inf
        self._suffixes = self._suffixes or Suffixes(self._state, self._pace)
        return _Bounds(symbols, self._suffixes, self._pace)

    def _longest(self, symbols: Sequence[str], box: _Box, bounds: "_Bounds | None") -> Block | None:
        if bounds is not None and box[3] - box[2] > NARROW:
            return bounds.longest(box)
        return self._walked(symbols, box)

    def _walked(self, symbols: Sequence[str], box: _Box) -> Block | None:
        """The longest block of the box, the first of equals; None: it takes too many steps."""
        first, end, low, high = box
        best, lengths = (first, low, 0), dict[int, int]()
        for row in range(first, end):
            places = self._places.get(symbols[row], [])
            places = places[bisect_left(places, low) : bisect_left(places, high)]
            if not self._may_take(len(places) + 1):
                return None
            longer: dict[int, int] = {}
            for place in places:
                size = longer[place] = lengths.get(place - 1, 0) + 1
                if size > best[2]:
                    best = (row + 1 - size, place + 1 - size, size)
            lengths = longer
        return best

    def _may_take(self, steps: int) -> bool:
        self._steps_left -= steps
        self._steps_to_look -= steps
        if self._steps_to_look < 0:
            self._pace.look()
            self._steps_to_look = STEPS_A_LOOK
        return self._steps_left >= 0

    def _chain(self, symbols: Sequence[str], box: _Box) -> Iterator[Block]:
        """Blocks of a box without two equal neighbours: each row's first place after the last."""
        first, end, low, high = box
        for row in range(first, end):
            places = self._places.get(symbols[row], [])
            at = bisect_left(places, low)
            if at < len(places) and places[at] < high:
                yield row, places[at], 1
                low = places[at] + 1


class _Bounds:
    """Of every row of a pattern: how long a block that starts there is at most."""

    def __init__(self, symbols: Sequence[str], suffixes: Suffixes, pace: Pace) -> None:
        self._suffixes = suffixes
        self._pace = pace
        self._ranks: list[int] = []
        """By row: a suffix of the state that begins like the pattern there."""
        self._most: NDArray[np.int32] = np.zeros(len(symbols), dtype=np.int32)
        self._measure(symbols)

    def longest(self, box: _Box) -> Block:
        """The longest block of the box, the first of equals; size 0 if there is none."""
        first, end, low, _high = box
        while True:
            self._pace.look()
            row = first + int(self._most[first:end].argmax())
            bound = int(self._most[row])
            size = min(bound, end - row)
            place = self._place(box, row, size) if size else None
            if place is not None and size == bound:
                return row, place, size
            if bound == 0:
                return first, low, 0
            self._most[row] = size if place is not None else self._longest_below(box, row, size)

    def _measure(self, symbols: Sequence[str]) -> None:
        among, size = (0, self._suffixes.length), 0
        for row in range(len(symbols)):
            self._pace.look()
            while row + size < len(symbols):
                longer = self._suffixes.going_on(among, size, symbols[row + size])
                if longer[0] == longer[1]:
                    break
                among, size = longer, size + 1
            self._ranks.append(among[0])
            self._most[row] = size
            if size:
                size -= 1
                following = self._suffixes.order[among[0]] + 1
                rank = self._suffixes.ranks[following] if size else 0
                among = self._suffixes.alike(rank, size)

    def _place(self, box: _Box, row: int, size: int) -> int | None:
        """The first place in the box where *size* symbols are those of the row."""
        alike = self._suffixes.alike(self._ranks[row], size)
        place = self._suffixes.first(alike, box[2])
        return place if place + size <= box[3] else None

    def _longest_below(self, box: _Box, row: int, fails: int) -> int:
        """How many symbols from the row on the box holds: fewer than *fails*."""
        fits, step = 0, 1
        while not fits and fails > step:
            if self._place(box, row, fails - step) is None:
                fails -= step
                step *= 2
            else:
                fits = fails - step
        while fits + 1 < fails:
            middle = (fits + fails) // 2
            if self._place(box, row, middle) is None:
                fails = middle
            else:
                fits = middle
        return fits


def _rest(box: _Box, block: Block) -> list[_Box]:
    """The parts before and after a block."""
    (first, end, low, high), (i, j, size) = box, block
    parts = [(first, i, low, j), (i + size, end, j + size, high)]
    return [part for part in parts if part[0] < part[1] and part[2] < part[3]]
