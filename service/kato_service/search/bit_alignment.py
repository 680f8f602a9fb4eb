"""difflib's matching blocks on bits: one integer per pattern symbol, one bit per position."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from kato_service.domain.alignment import Block

MAX_BITS = 512
"""States up to here are faster on bits than with difflib, whose time depends on matches alone."""

_Box = tuple[int, int, int]
"""First row, row behind the last, and the columns that are still free."""


def position_masks(state: Sequence[str]) -> dict[str, int]:
    """Per symbol its positions in *state*, as bits."""
    masks: dict[str, int] = {}
    for position, symbol in enumerate(state):
        masks[symbol] = masks.get(symbol, 0) | 1 << position
    return masks


def matching_blocks(symbols: Sequence[str], masks: Mapping[str, int]) -> tuple[Block, ...]:
    """As ``SequenceMatcher(None, symbols, state, autojunk=False).get_matching_blocks()``, without
    the empty one at the end (processor.md §6).

    The longest block is looked for first, then what lies left and right of it. Without junk no
    two blocks touch, so none are joined.
    """
    rows = [masks.get(symbol, 0) for symbol in symbols]
    found: list[Block] = []
    boxes: list[_Box] = [(0, len(rows), -1)]
    while boxes:
        first, end, columns = boxes.pop()
        runs = [row & columns for row in rows[first:end]]
        size, runs = _longest_runs(runs)
        if size == 1:
            found += _chain(first, runs)
        elif size > 1:
            block, rest = _split((first, end, columns), size, runs)
            found.append(block)
            boxes += rest
    return tuple(sorted(found))


def _longest_runs(runs: list[int]) -> tuple[int, list[int]]:
    """How long the longest run of equal symbols is, and per row the columns where one ends."""
    if not any(runs):
        return 0, runs
    size = 1
    while any(longer := [0, *(run & before << 1 for before, run in pairwise(runs))]):
        runs = longer
        size += 1
    return size, runs


def _chain(first: int, runs: Sequence[int]) -> list[Block]:
    """Blocks of a box without a run of two: each row's first column behind the one before.

    The first such row holds the first block, nothing lies before it, and so on behind it.
    """
    found: list[Block] = []
    free = -1
    for row, run in enumerate(runs, start=first):
        bits = run & free
        if bits:
            lowest = bits & -bits
            found.append((row, lowest.bit_length() - 1, 1))
            free = -(lowest << 1)
    return found


def _split(box: _Box, size: int, runs: Sequence[int]) -> tuple[Block, list[_Box]]:
    """The first of the box's longest blocks, and the boxes before and behind it."""
    first, end, columns = box
    row = next(place for place, run in enumerate(runs) if run)
    last = (runs[row] & -runs[row]).bit_length() - 1
    begin, start = first + row + 1 - size, last + 1 - size
    before = (first, begin, columns & ((1 << start) - 1))
    behind = (first + row + 1, end, columns & -(1 << last + 1))
    return (begin, start, size), [before, behind]
