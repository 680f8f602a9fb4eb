"""Compares full answers of the C engine with difflib over every pattern.

`check.py [PATTERNS [QUERIES]]` compares every match of each query, field by field and in order, not
only the best matches. Knowledge is zipf-like and dense, with relearns and deletes in between;
states and thresholds vary. One process runs per core; with 100 000 patterns a query takes about
ten seconds. The program stops at the first difference, with exit code 1.
"""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from engine import Source, match

from kato_service.domain.pattern import Pattern
from kato_service.domain.prediction import Prediction
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_ranking import best_predictions

KINDS = ("zipf", "dense")
SIZES = (2, 3, 5, 8, 12, 20, 30, 45, 60, 64, 65, 100, 150, 255, 256, 400)
"""Symbols of the states. The alignment method changes at 64 and 255."""
THRESHOLDS = (0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 2 / 3, 1.0, 0.0)
SEED = 20261124


@dataclass(frozen=True, slots=True)
class Query:
    kind: str
    state: tuple[str, ...]
    threshold: float

    def __str__(self) -> str:
        return f"{self.kind}, {len(self.state)} symbols, threshold {self.threshold:.2f}"


class Knowledge:
    """The same patterns in the engine and in a dictionary."""

    def __init__(self, kind: str, count: int) -> None:
        self.index = PatternSearcher("c").new_index()
        self.plain = PlainPatterns()
        self.source = Source(kind, random.Random(f"{SEED} {kind}"))
        for pattern in self.source.patterns(count):
            self._learn(pattern)

    def state(self, size: int) -> tuple[str, ...]:
        symbols: list[str] = []
        while len(symbols) < size:
            symbols += self.source.state()
        return tuple(symbols[:size])

    def exhaustive(self, query: Query) -> tuple[Prediction, ...]:
        found = (match(pattern, query.state) for pattern in self.plain.patterns.values())
        kept = [one for one in found if one.similarity >= query.threshold]
        return best_predictions(kept, query.state, self.plain.statistics, limit=len(kept) or 1)

    def _learn(self, pattern: Pattern) -> None:
        rng = self.source.rng
        self._put(pattern)
        if rng.random() < 0.1:
            known = self.plain.get(rng.choice([pattern.name, *self._some_name()]))
            if known is not None:
                self._put(replace(known, frequency=known.frequency + 1, learns=known.learns + 1))
        if rng.random() < 0.01:
            for name in self._some_name():
                self.index.remove(name)
                self.plain.remove(name)

    def _some_name(self) -> list[str]:
        return [self.source.rng.choice(self.source.names)] if self.source.names else []

    def _put(self, pattern: Pattern) -> None:
        for index in (self.index, self.plain):
            index.put(pattern, learns=1)


def main(count: int, queries: int) -> None:
    started = time.monotonic()
    known.update({kind: Knowledge(kind, count) for kind in KINDS})
    asked = list(_queries(queries))
    print(
        f"learned {count} patterns of each kind in {time.monotonic() - started:.0f} s", flush=True
    )
    matches = 0
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as workers:
        for number, (query, found) in enumerate(workers.imap_unordered(compared, asked), start=1):
            matches += found
            at = time.monotonic() - started
            print(
                f"{number:3} of {queries}, {at:4.0f} s: {query}: {found} matches equal", flush=True
            )
    print(f"{queries} queries, {matches} predictions: every field equals the exhaustive search")


known: dict[str, Knowledge] = {}
"""Knowledge by kind; filled before the processes fork."""


def _queries(count: int) -> Iterator[Query]:
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        size = SIZES[number // len(KINDS) % len(SIZES)]
        yield Query(kind, known[kind].state(size), THRESHOLDS[number % len(THRESHOLDS)])


def compared(query: Query) -> tuple[Query, int]:
    """The query and the number of its predictions.

    Raises:
        AssertionError: The engine's predictions differ from the exhaustive search.
    """
    knowledge = known[query.kind]
    expected = knowledge.exhaustive(query)
    given = knowledge.index.best(query.state, threshold=query.threshold, limit=len(knowledge.plain))
    assert len(given) == len(expected), (
        f"{query}: {len(given)} predictions instead of {len(expected)}"
    )
    for place, (one, other) in enumerate(zip(given, expected, strict=True)):
        for field in fields(Prediction):
            value, wanted = getattr(one, field.name), getattr(other, field.name)
            assert _same(value, wanted), (
                f"{query}: prediction {place}: {field.name} is {value!r}, expected {wanted!r}"
            )
    best = knowledge.index.best(query.state, threshold=query.threshold, limit=100)
    assert best == expected[:100], f"{query}: the best 100 differ"
    return query, len(given)


def _same(value: object, wanted: object) -> bool:
    """Whether both are equal to the last bit, including the sign of a zero."""
    return value == wanted and repr(value) == repr(wanted)


if __name__ == "__main__":
    try:
        main(*(int(given) for given in (*sys.argv[1:], *("100000", "54")[len(sys.argv) - 1 :])))
    except AssertionError as error:
        sys.exit(f"check: engines differ: {error}")
