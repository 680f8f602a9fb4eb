"""Patterns to fill indexes with, and the statistics of an index as one value."""

import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

from kato_service.domain.pattern import NO_AFFINITY, Event, Pattern, pattern_name
from kato_service.domain.statistics import SymbolStatistics

Document = dict[str, Any]
ALPHABET = ("a", "b", "", "é", "ÿ", "中", "𝄞", "a\0b", "long " * 30, *map(str, range(200)))


def patterns(count: int, seed: int = 1) -> Iterator[Pattern]:
    """Patterns in order of first learns; some have emotives, metadata or an affinity."""
    rng = random.Random(seed)
    for first in range(1, count + 1):
        events = tuple(_event(rng) for _ in range(rng.randint(1, 8)))
        yield Pattern(
            name=pattern_name((*events, (str(first),))),
            events=(*events, (str(first),)),
            frequency=rng.randint(0, 9),
            learns=rng.randint(1, 9),
            emotives=({"joy": 0.5}, {}) if rng.random() < 0.1 else (),
            metadata={"k": ("1",)} if rng.random() < 0.1 else {},
            affinity={"joy": first / 3, "$.": -1.0} if first % 9 == 0 else NO_AFFINITY,
            first=first * 3,
            revision=first * 3 + rng.randint(0, 2),
        )


def _event(rng: random.Random) -> Event:
    return tuple(rng.choices(ALPHABET, k=rng.randint(1, 5)))


def counted(statistics: SymbolStatistics) -> tuple[object, ...]:
    return (
        dict(statistics.pattern_member_frequency),
        dict(statistics.symbol_frequency),
        statistics.total_learns,
        statistics.total_symbols,
        statistics.total_distinct_symbols,
        statistics.distinct_symbols,
    )


def document(pattern: Pattern, **changes: object) -> Document:
    """The document of its view, as stores hold it."""
    return {
        "_id": f"kb:{pattern.name}",
        "symbols": list(chain.from_iterable(pattern.events)),
        "sizes": [len(event) for event in pattern.events],
        "frequency": pattern.frequency,
        "learns": pattern.learns,
        "emotives": [{"m": [{"k": k, "v": v} for k, v in m.items()]} for m in pattern.emotives],
        "metadata": [{"k": key, "v": list(texts)} for key, texts in pattern.metadata.items()],
        **(
            {"affinity": [{"k": k, "v": v} for k, v in pattern.affinity.items()]}
            if pattern.affinity
            else {}
        ),
        "first": pattern.first,
        "revision": pattern.revision,
        "deleted": False,
        **changes,
    }
