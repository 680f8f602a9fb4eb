"""difflib's matching blocks on bits: one integer per pattern symbol, one bit per position."""

from collections.abc import Mapping, Sequence

from kato_service.domain.alignment import Block
from kato_service.search.pace import Pace

MAX_BITS = 512
"""Longest state, in symbols, for which bits are faster than difflib."""

_Box = tuple[int, int, int]
"""First row, row after the last, and the free columns as bits."""


def position_masks(state: Sequence[str]) -> dict[str, int]:
    """By symbol, its positions in *state* as bits."""
    masks: dict[str, int] = {}
    for position, symbol in enumerate(state):
        masks[symbol] = masks.get(symbol, 0) | 1 << position
    return masks


def matching_blocks(
    symbols: Sequence[str], masks: Mapping[str, int], pace: Pace
) -> tuple[Block, ...]:
    """The blocks of ``SequenceMatcher(None, symbols, state, autojunk=False)`` (processor.md §6),
    without the empty one at the end.

    The longest block is found first, then those before and after it. Without junk no two blocks
    touch, so none have to be joined.

    Args:
        symbols: The flattened pattern.
        masks: `position_masks` of the state.
    """
    rows = [masks.get(symbol, 0) for symbol in symbols]
    found: list[Block] = []
    boxes: list[_Box] = [(0, len(rows), -1)]
    while boxes:
        first, end, columns = boxes.pop()
        runs = [row & columns for row in rows[first:end]]
        size, runs = _longest_runs(runs, pace)
        if size == 1:
            found += _chain(first, runs)
        elif size > 1:
            block, rest = _split((first, end, columns), size, runs)
            found.append(block)
            boxes += rest
    return tuple(sorted(found))


def _longest_runs(runs: list[int], pace: Pace) -> tuple[int, list[int]]:
    """Length of the longest run of equal symbols, and by row the columns where such runs end.

    The length doubles while there are such runs, then it grows by halves.
    """
    # A run that ends at a column of this row is longer by a step if another one ends a step of
    # columns earlier and a step of rows before: shifting and intersecting prolongs all at once.
    if not any(runs):
        return 0, runs
    size, step, is_growing = 1, 1, True
    while step:
        pace.look()
        longer = [run & before << step for before, run in zip(runs, runs[step:], strict=False)]
        if any(longer):
            runs = [0] * step + longer
            size += step
        else:
            is_growing = False
        step = size if is_growing else step // 2
    return size, runs


def _chain(first: int, runs: Sequence[int]) -> list[Block]:
    """Blocks of a box without a run of two: each row's first column after the previous block.

    The first row with a match holds the first block. Nothing lies before it, so the same holds for
    what lies after it: a greedy chain.
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
    """The first of the box's longest blocks, and the boxes before and after it."""
    first, end, columns = box
    row = next(place for place, run in enumerate(runs) if run)
    last = (runs[row] & -runs[row]).bit_length() - 1
    begin, start = first + row + 1 - size, last + 1 - size
    before = (first, begin, columns & ((1 << start) - 1))
    after = (first + row + 1, end, columns & -(1 << last + 1))
    return (begin, start, size), [before, after]
