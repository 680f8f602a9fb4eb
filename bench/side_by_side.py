"""The C engine with two callers, with learns during queries, and with long states.

A large query already uses a second thread, so a second caller then gains little.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice

from engine import LIMIT, THRESHOLD, Row, Source

from kato_service.domain.pattern import Pattern
from kato_service.search.matching import MatchingIndex
from kato_service.search.pattern_searcher import PatternSearcher

KINDS = ("zipf", "dense", "sparse")
SIZE, LARGE = 100_000, 1_000_000
LEARNS = 1_500
"""Enough for a segment to get its postings."""
PAUSE_S = 0.0005
"""Seconds between two learns, so that queries get their turns."""
LENGTHS = (100, 300, 1000)
STATES = 20


class Subject:
    def __init__(self, kind: str, count: int, seed: int) -> None:
        self.title = f"{kind} {count}"
        self.index: MatchingIndex = PatternSearcher("c").new_index()
        source = Source(kind, random.Random(seed))
        made = source.patterns(count + 2 * LEARNS)
        for pattern in islice(made, count):
            self.index.put(pattern, learns=1)
        self.states = [source.state() for _ in range(STATES)]
        self.long_states = {size: [_long(source, size) for _ in range(6)] for size in LENGTHS}
        self.later = list(made)

    def ask(self, states: Sequence[tuple[str, ...]]) -> None:
        for state in states:
            self.index.best(state, threshold=THRESHOLD, limit=LIMIT)

    def learn_us(self, patterns: Sequence[Pattern]) -> list[float]:
        times = []
        for pattern in patterns:
            started = time.perf_counter()
            self.index.put(pattern, learns=1)
            times.append((time.perf_counter() - started) * 1e6)
            time.sleep(PAUSE_S)
        return times


def _long(source: Source, size: int) -> tuple[str, ...]:
    symbols: list[str] = []
    while len(symbols) < size:
        symbols += source.state()
    return tuple(symbols[:size])


def side_by_side_rows(*, large: bool, seed: int) -> list[Row]:
    sizes = (SIZE, LARGE) if large else (SIZE,)
    return [_measured(Subject(kind, size, seed)) for size in sizes for kind in KINDS]


def _measured(subject: Subject) -> Row:
    alone, together = _scaling(subject)
    quiet = subject.learn_us(subject.later[:LEARNS])
    busy = _during_queries(subject, lambda: subject.learn_us(subject.later[LEARNS:]))
    return {
        "patterns": subject.title,
        "queries/s, 1 caller": alone,
        "2 callers": together,
        "2 / 1": together / alone,
        "learn p50 µs": statistics.median(quiet),
        "p99": statistics.quantiles(quiet, n=100)[-1],
        "during queries p50 µs": statistics.median(busy),
        **{
            f"{size} symbols p50 ms": statistics.median(_times_ms(subject, states))
            for size, states in subject.long_states.items()
        },
    }


def _times_ms(subject: Subject, states: Sequence[tuple[str, ...]]) -> list[float]:
    times = []
    for state in states:
        started = time.perf_counter()
        subject.ask([state])
        times.append((time.perf_counter() - started) * 1000)
    return times


def _scaling(subject: Subject) -> tuple[float, float]:
    """Median queries per second of one caller and of two, measured in turn."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for count, found in rates.items():
            threads = [
                threading.Thread(target=subject.ask, args=(subject.states,)) for _ in range(count)
            ]
            started = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found.append(count * STATES / (time.perf_counter() - started))
    return statistics.median(rates[1]), statistics.median(rates[2])


def _during_queries(subject: Subject, work: Callable[[], list[float]]) -> list[float]:
    ended = threading.Event()

    def query() -> None:
        while not ended.is_set():
            subject.ask(subject.states[:1])

    thread = threading.Thread(target=query)
    thread.start()
    try:
        return work()
    finally:
        ended.set()
        thread.join()
