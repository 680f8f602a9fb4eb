"""A computation is held up, let go on and ended from outside, and keeps to its budget."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from kato_service.domain.pattern import Event, Pattern, pattern_name
from kato_service.search.matching import MatchingIndex
from kato_service.search.pace import Pace
from kato_service.search.pattern_searcher import PatternSearcher

PROMPT_S = 2.0
"""To end once told to, on a busy machine; on a quiet one it is a millisecond or ten."""
STATE = tuple(symbol for run in range(200, 0, -1) for symbol in "a" * run + "c")
SHORT_STATE = tuple(random.Random(1).choices("ab", k=700))


@pytest.fixture(scope="module")
def slow(searcher: PatternSearcher) -> MatchingIndex:
    """One alignment that takes seconds: half of its rows promise blocks that they never have."""
    runs = [symbol for run in range(200, 0, -1) for symbol in "a" * run + "b"]
    return indexed(searcher, [tuple(runs + [*["a"] * 200, "d"] * 200)])


@pytest.fixture(scope="module")
def many(searcher: PatternSearcher) -> MatchingIndex:
    """Many alignments that take a second together."""
    rng = random.Random(2)
    count = 200 if searcher.engine_name == "numpy" else 20_000
    return indexed(searcher, [(*rng.choices("ab", k=40), str(n)) for n in range(count)])


def indexed(searcher: PatternSearcher, every: Sequence[Event]) -> MatchingIndex:
    index = searcher.new_index()
    for first, event in enumerate(every, start=1):
        index.put(Pattern(pattern_name((event,)), (event,), first=first, revision=first))
    return index


def names(
    index: MatchingIndex, pace: Pace | None = None, state: tuple[str, ...] = STATE
) -> list[str]:
    return [one.name for one in index.best(state, threshold=0.0, limit=5, pace=pace)]


def test_what_is_held_up_finds_the_same_later(many: MatchingIndex) -> None:
    pace = Pace(budget_s=3600)
    pace.begin()
    pace.hold()
    with ThreadPoolExecutor(1) as threads:
        work = threads.submit(names, many, pace, SHORT_STATE)
        time.sleep(0.3)
        assert not work.done()
        pace.let_go_on()
        for _ in range(5):
            time.sleep(0.02)
            pace.hold()
            time.sleep(0.02)
            pace.let_go_on()
        assert work.result(timeout=120) == names(many, state=SHORT_STATE)
    assert pace.held_s > 0.3


def test_what_is_stopped_ends_at_once_held_up_or_not(slow: MatchingIndex) -> None:
    for is_held in (False, True):
        pace = Pace()
        with ThreadPoolExecutor(1) as threads:
            work = threads.submit(names, slow, pace)
            time.sleep(0.05)
            if is_held:
                pace.hold()
            began = time.monotonic()
            pace.stop()
            with pytest.raises(TimeoutError):
                work.result(timeout=60)
            assert time.monotonic() - began < PROMPT_S


def test_a_budget_ends_it_and_does_not_count_what_it_was_held_up(slow: MatchingIndex) -> None:
    pace = Pace(budget_s=0.1)
    pace.begin()
    pace.hold()
    threading.Timer(0.4, pace.let_go_on).start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        names(slow, pace)
    assert 0.45 <= time.monotonic() - began < 0.5 + PROMPT_S


@pytest.mark.parametrize("wrong", [object(), 7, type("NoBytes", (), {"signal": "text"})()])
def test_what_is_no_pace_is_refused(wrong: object) -> None:
    engine = pytest.importorskip("kato_service.search._engine")
    frozen = engine.Index().frozen()
    with pytest.raises((AttributeError, TypeError)):
        frozen.best(("a", "b"), 0.0, 1, 1e9, wrong)
