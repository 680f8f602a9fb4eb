"""Compares the matching engines: C, numpy, and difflib over every pattern.

One process asks all of them the same queries in turn. The exhaustive path aligns each pattern with
``SequenceMatcher(None, pattern, state, autojunk=False)``, builds the full prediction of every match
and ranks last. If this would take too long, it runs on a sample of the patterns and its time is
extrapolated; the table says so.
"""

import random
import statistics
import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import accumulate

from kato_service.domain.alignment import similarity
from kato_service.domain.pattern import Event, Pattern, flatten, pattern_name
from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import SymbolCounts
from kato_service.search.matching import MatchingIndex
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_ranking import Match, best_predictions

KINDS = {"zipf": 10_000, "dense": 100, "sparse": 1_000_000}
"""Size of the alphabet by kind; zipf draws symbols by rank, the others evenly."""
SIZES = (1_000, 10_000, 100_000)
LARGE = 1_000_000
THRESHOLD, LIMIT = 0.1, 100
SAMPLE = 2_000
"""The most patterns that the exhaustive path runs over."""
QUERIES = {1_000: 60, 10_000: 40, 100_000: 30, LARGE: 30}
SLOW_QUERIES = {1_000: 12, 10_000: 8, 100_000: 4}
"""How many of the queries also run on numpy."""
CHECKED = 2
"""How many queries at 10 000 patterns are compared with an exhaustive search of all of them."""
Row = dict[str, str | int | float]


class Source:
    """Random patterns of 4–60 symbols in events of 1–4, a third of them noisy copies."""

    def __init__(self, kind: str, rng: random.Random) -> None:
        self.rng = rng
        self.symbols = [f"s{number}" for number in range(KINDS[kind])]
        ranks = range(1, len(self.symbols) + 1)
        self.weights = list(accumulate(1 / rank if kind == "zipf" else 1 for rank in ranks))
        self.recent: list[tuple[Event, ...]] = []
        self.names: list[str] = []
        """Names of all patterns, in order."""

    def draw(self, count: int) -> list[str]:
        return self.rng.choices(self.symbols, cum_weights=self.weights, k=count)

    def patterns(self, count: int) -> Iterator[Pattern]:
        seen: set[str] = set()
        while len(seen) < count:
            events = self._events()
            name = pattern_name(events)
            if name not in seen:
                seen.add(name)
                self.names.append(name)
                self._remember(events)
                yield Pattern(name, events, first=len(seen), revision=len(seen))

    def state(self) -> tuple[str, ...]:
        """2–60 symbols: a window of a pattern, two windows, or random symbols; some replaced."""
        kind = self.rng.random()
        symbols = self._window() if kind < 0.8 else self.draw(self.rng.randint(2, 40))
        if kind < 0.2:
            symbols += self._window()
        noise = [self.draw(1)[0] if self.rng.random() < 0.15 else symbol for symbol in symbols]
        return tuple(noise[:60])

    def _window(self) -> list[str]:
        symbols = flatten(self.rng.choice(self.recent))
        size = self.rng.randint(2, len(symbols))
        start = self.rng.randint(0, len(symbols) - size)
        return list(symbols[start : start + size])

    def _events(self) -> tuple[Event, ...]:
        size = max(4, min(60, round(self.rng.lognormvariate(2.77, 0.55))))
        symbols = self.draw(size)
        if self.recent and self.rng.random() < 0.3:
            copied = flatten(self.rng.choice(self.recent))[:size]
            symbols[: len(copied)] = copied
            symbols[self.rng.randrange(size)] = self.draw(1)[0]
        return tuple(self._cut(symbols))

    def _cut(self, symbols: list[str]) -> Iterator[Event]:
        start = 0
        while start < len(symbols):
            size = self.rng.choice((1, 1, 1, 1, 2, 2, 2, 3, 3, 4))
            yield tuple(sorted(symbols[start : start + size]))
            start += size

    def _remember(self, events: tuple[Event, ...]) -> None:
        if len(self.recent) < SAMPLE:
            self.recent.append(events)
        elif self.rng.random() < 0.05:
            self.recent[self.rng.randrange(SAMPLE)] = events


class Knowledge:
    """The same patterns in an index of each engine."""

    def __init__(self, source: Source, count: int) -> None:
        engines = ["c", "numpy"] if count < LARGE else ["c"]
        self.indexes = {name: PatternSearcher(name).new_index() for name in engines}
        self.learn_us = dict.fromkeys(engines, 0.0)
        self.statistics = SymbolCounts()
        self.sample: list[Pattern] = []
        self.count = count
        for pattern in source.patterns(count):
            self._learn(pattern)

    def asked(self, engine: str, state: tuple[str, ...]) -> tuple[Prediction, ...]:
        index: MatchingIndex = self.indexes[engine]
        return index.best(state, threshold=THRESHOLD, limit=LIMIT)

    def exhaustive(self, state: tuple[str, ...], patterns: list[Pattern]) -> tuple[Prediction, ...]:
        """The best predictions from *patterns*: every match in full, ranked last."""
        kept = [one for one in (match(p, state) for p in patterns) if _kept(one)]
        return best_predictions(kept, state, self.statistics, limit=len(patterns))[:LIMIT]

    def _learn(self, pattern: Pattern) -> None:
        self.statistics.add_learn(pattern.events)
        if len(self.sample) < max(SAMPLE, min(self.count, 10_000)):
            self.sample.append(pattern)
        for name, index in self.indexes.items():
            started = time.perf_counter()
            index.put(pattern, learns=1)
            self.learn_us[name] += (time.perf_counter() - started) * 1e6 / self.count


def match(pattern: Pattern, state: tuple[str, ...]) -> Match:
    symbols = flatten(pattern.events)
    matcher = SequenceMatcher(None, symbols, state, autojunk=False)
    *found, _end = matcher.get_matching_blocks()
    blocks = tuple((block.a, block.b, block.size) for block in found)
    matched = sum(size for _, _, size in blocks)
    alike = similarity(matched, len(symbols), len(state))
    return Match(pattern, len(symbols), blocks, matched, alike)


def _kept(one: Match) -> bool:
    return one.similarity >= THRESHOLD


def engine_rows(*, large: bool, seed: int) -> list[Row]:
    """A row for each kind, size and engine; fails if their answers differ."""
    sizes = (*SIZES, LARGE) if large else SIZES
    return [row for kind in KINDS for size in sizes for row in _measured(kind, size, seed)]


def _measured(kind: str, size: int, seed: int) -> list[Row]:
    source = Source(kind, random.Random(seed))
    knowledge = Knowledge(source, size)
    patterns = knowledge.sample[:SAMPLE]
    times: dict[str, list[float]] = {name: [] for name in (*knowledge.indexes, "difflib")}
    computed = {name: list[float]() for name in times}
    for number in range(QUERIES[size]):
        state = source.state()
        slow = number < SLOW_QUERIES.get(size, 0)
        answers = [
            _timed(times[name], computed[name], knowledge.asked, name, state)
            for name in knowledge.indexes
            if name == "c" or slow
        ]
        assert all(answer == answers[0] for answer in answers), f"engines differ: {state}"
        _timed(times["difflib"], computed["difflib"], knowledge.exhaustive, state, patterns)
        if size == len(knowledge.sample) and number < CHECKED:
            assert answers[0] == knowledge.exhaustive(state, knowledge.sample), state
    for measured in (times, computed):
        measured["difflib"] = [value * size / len(patterns) for value in measured["difflib"]]
    return [_row(kind, knowledge, name, times, computed[name]) for name in times]


def _timed(  # type: ignore[no-untyped-def]
    times: list[float], computed: list[float], ask, *arguments: object
) -> tuple[Prediction, ...]:
    started, used = time.perf_counter(), time.process_time()
    answer: tuple[Prediction, ...] = ask(*arguments)
    times.append((time.perf_counter() - started) * 1000)
    computed.append((time.process_time() - used) * 1000)
    return answer


def _row(
    kind: str,
    knowledge: Knowledge,
    name: str,
    times: dict[str, list[float]],
    computed: list[float],
) -> Row:
    values = times[name]
    sampled = name == "difflib" and knowledge.count > SAMPLE
    index = knowledge.indexes.get(name)
    memory = getattr(index, "memory_bytes", None)
    common = [slow / fast for slow, fast in zip(times["difflib"], values, strict=False)]
    return {
        "patterns": f"{kind} {knowledge.count}",
        "engine": name + (f" (extrapolated from {SAMPLE})" if sampled else ""),
        "queries": len(values),
        "p50 ms": statistics.median(values),
        "p95 ms": statistics.quantiles(values, n=20)[-1],
        "processors p50 ms": statistics.median(computed),
        "difflib / it, same queries": statistics.median(common),
        "learn µs": knowledge.learn_us.get(name, "-"),
        "bytes / pattern": memory() / knowledge.count if memory else "-",
    }
