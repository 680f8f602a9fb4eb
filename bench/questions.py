"""What requests ask for in addition to predictions, by the compiled engine: processor time.

All questions are asked in turn about the same states; a second thread of the engine counts, too.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

from engine import LIMIT, THRESHOLD, Row, Source

from kato_service.search.matching import ANY_MATCH, MatchingIndex, Wanted
from kato_service.search.pattern_searcher import PatternSearcher

STATES, TURNS = 12, 3
QUESTIONS: Mapping[str, Wanted] = {
    "predictions": Wanted(),
    "offset 1000": Wanted(offset=1000),
    "explain": Wanted(explain=True),
    "next": Wanted(next=True),
    "future_potentials": Wanted(futures=True),
}


def question_rows(seed: int, count: int = 100_000) -> list[Row]:
    return [_measured(kind, count, seed) for kind in ("zipf", "dense", "sparse")]


def _measured(kind: str, count: int, seed: int) -> Row:
    index, states = _filled(kind, count, seed)
    times: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    kept = []
    for state in states * TURNS:
        for name, wanted in QUESTIONS.items():
            ask = partial(index.found, state, wanted, threshold=THRESHOLD, limit=LIMIT)
            times[name].append(_processor_ms(ask))
        kept.append(index.found(state, QUESTIONS["next"], threshold=THRESHOLD, limit=1).kept)
    figures = {f"{name} p50 ms": statistics.median(values) for name, values in times.items()}
    return {"patterns": f"{kind} {count}", "kept": statistics.median(kept), **figures}


def answer_rows(seed: int) -> list[Row]:
    """Predictions as objects, and as the JSON of an answer: the usual hundred, and ten thousand."""
    rows = ((1_000, THRESHOLD, 100), (10_000, ANY_MATCH, 10_000))
    return [_answers(*row, seed) for row in rows]


def _answers(count: int, threshold: float, limit: int, seed: int) -> Row:
    index, states = _filled("dense", count, seed)
    forms = {"objects": Wanted(), "JSON": Wanted(as_text=True)}
    times: dict[str, list[float]] = {name: [] for name in forms}
    walls, listed = [], []
    for state in states * TURNS:
        for name, wanted in forms.items():
            ask = partial(index.found, state, wanted, threshold=threshold, limit=limit)
            times[name].append(_processor_ms(ask))
        began = time.perf_counter()
        found = index.found(state, forms["JSON"], threshold=threshold, limit=limit)
        walls.append((time.perf_counter() - began) * 1000)
        listed.append(found.listed)
    return {
        "patterns": f"dense {count}",
        "listed": statistics.median(listed),
        **{f"{name} p50 ms": statistics.median(values) for name, values in times.items()},
        "JSON wall p50 ms": statistics.median(walls),
    }


def _filled(kind: str, count: int, seed: int) -> tuple[MatchingIndex, list[tuple[str, ...]]]:
    """An index of the compiled engine with *count* patterns, and states to ask it about."""
    source = Source(kind, random.Random(seed))
    index = PatternSearcher("c").new_index()
    for pattern in source.patterns(count):
        index.put(pattern, learns=1)
    states = [state for state in (source.state() for _ in range(STATES * 3)) if len(state) > 4]
    return index, states[:STATES]


def _processor_ms(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    for row in (*answer_rows(20261130), *question_rows(20261130)):
        print(row)
