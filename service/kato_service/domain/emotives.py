"""Means of emotive maps (processor.md §5 and §7)."""

import math
from collections.abc import Iterable, Sequence

from kato_service.domain.pattern import Emotives


def mean_emotives(maps: Iterable[Emotives]) -> dict[str, float]:
    """By key, the mean over the maps that contain it; keys in order of first appearance."""
    values: dict[str, list[float]] = {}
    for emotives in maps:
        for key, value in emotives.items():
            values.setdefault(key, []).append(value)
    return {key: _mean(given) for key, given in values.items()}


def learned_emotives(maps: Sequence[Emotives]) -> dict[str, float] | None:
    """What a learn adds to its pattern: the means without those of 0; None if *maps* is empty."""
    if not maps:
        return None
    return {key: mean for key, mean in mean_emotives(maps).items() if mean != 0.0}


def _mean(values: Sequence[float]) -> float:
    """The mean by plain additions in the given order, as in the golden cases; always finite."""
    mean = _sum(values) / len(values)
    if math.isfinite(mean):
        return mean
    # The sum overflowed: divide first. Rounding may then exceed the extremes, which are finite.
    mean = _sum([value / len(values) for value in values])
    return min(max(mean, min(values)), max(values))


def _sum(values: Sequence[float]) -> float:
    """Not `sum`, which compensates for rounding since Python 3.12: results would differ."""
    total = 0.0
    for value in values:
        total += value
    return total
