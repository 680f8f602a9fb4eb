"""How a pattern lines up with a short-term memory (processor.md §6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from kato_service.domain.pattern import Event, flatten

Block = tuple[int, int, int]
"""Start in the flattened pattern, start in the state, and how many symbols match from there."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The regions into which the matching blocks divide a pattern and the state.

    The state is the flattened STM.
    """

    matches: tuple[str, ...]
    missing: tuple[str, ...]
    extras: tuple[str, ...]
    past: tuple[Event, ...]
    present: tuple[Event, ...]
    future: tuple[Event, ...]
    block_count: int


def similarity(matched: int, pattern_symbols: int, state_symbols: int) -> float:
    """``2·M / (|F| + |T|)`` in [0, 1]; the order of operations decides ties with a threshold."""
    return 2.0 * matched / (pattern_symbols + state_symbols)


def aligned(
    events: Sequence[Event],
    state: Sequence[str],
    blocks: Sequence[Block],
    respelled: Sequence[str] | None = None,
) -> Alignment:
    """Divide *events* into past, present and future.

    The present reaches from the event in which the first block starts to the one in which the last
    block ends.

    Args:
        events: A pattern.
        state: The flattened STM.
        blocks: In order, without the empty one that difflib appends; () for no match.
        respelled: The state as the pattern spells it, if that is different: the blocks are its
            blocks, but matches and extras are spelled as in *state*.
    """
    matched = _in_blocks(state if respelled is None else respelled, blocks)
    past, present, future = _regions(tuple(events), blocks, matched)
    return Alignment(
        matches=matched if respelled is None else _in_blocks(state, blocks),
        missing=_missing(present, matched),
        extras=_extras(state, blocks),
        past=past,
        present=present,
        future=future,
        block_count=len(blocks),
    )


def _in_blocks(state: Sequence[str], blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(symbol for _, j, size in blocks for symbol in state[j : j + size])


def _regions(
    events: tuple[Event, ...], blocks: Sequence[Block], matches: Sequence[str]
) -> tuple[tuple[Event, ...], tuple[Event, ...], tuple[Event, ...]]:
    if not blocks:
        return (), events, ()
    last_start, _, last_size = blocks[-1]
    begin = _leading_events(events, blocks[0][0], at_least=0)
    end = _leading_events(events, last_start + last_size, at_least=begin)
    # Part of the golden cases: an event that repeats the first match belongs to the present, too.
    if begin and matches[0] in events[begin - 1]:
        begin -= 1
    return events[:begin], events[begin:end], events[end:]


def _leading_events(events: Sequence[Event], symbols: int, *, at_least: int) -> int:
    """The least number of leading events, *at_least* so many, that hold *symbols* or more."""
    count = at_least
    held = sum(map(len, events[:count]))
    while held < symbols:
        held += len(events[count])
        count += 1
    return count


def _missing(present: Sequence[Event], matches: Sequence[str]) -> tuple[str, ...]:
    seen = frozenset(matches)
    return tuple(symbol for symbol in flatten(present) if symbol not in seen)


def _extras(state: Sequence[str], blocks: Sequence[Block]) -> tuple[str, ...]:
    extras: list[str] = []
    position = 0
    for _, start, size in blocks:
        extras.extend(state[position:start])
        position = start + size
    extras.extend(state[position:])
    return tuple(extras)
