"""The estimate of a fold's memory."""

import gc
import random
import tracemalloc
from collections.abc import Callable

import pytest

from kato_service.domain.pattern import Stm, pattern_name
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Learn, Update
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search.pattern_searcher import PatternSearcher

NewIndex = Callable[[], PatternIndex]


@pytest.fixture
def fold(new_index: NewIndex) -> Fold:
    fold = Fold(new_index())
    for entry in learns(2000):
        apply(fold, entry)
    return fold


def apply(fold: Fold, entry: Entry) -> None:
    fold.apply(fold.revision + 1, entry)


def learn(events: Stm) -> Learn:
    return Learn("token", pattern_name(events), events, None, 5)


def learns(count: int) -> list[Learn]:
    rng = random.Random(count)
    return [
        learn(tuple((f"s{rng.randrange(3000)}",) for _ in range(rng.randint(2, 20))))
        for _ in range(count)
    ]


def test_patterns_and_new_symbols_take_memory(fold: Fold) -> None:
    before = fold.memory_bytes
    apply(fold, learn((("x" * 50_000,), ("y",))))
    assert 50_000 < fold.memory_bytes - before < 150_000


def test_a_repeated_learn_takes_no_more_memory(fold: Fold) -> None:
    entry = learns(2000)[0]
    before = fold.memory_bytes
    apply(fold, entry)
    assert fold.memory_bytes == before


def test_emotives_and_metadata_count_while_they_are_kept(fold: Fold) -> None:
    entry = learns(2000)[0]
    before = fold.memory_bytes
    for joy in (1.0, 2.0):
        apply(fold, entry._replace(emotives={"joy": joy}, metadata={"k": ("v" * 10_000,)}))
    with_both = fold.memory_bytes
    assert with_both > before + 10_000
    apply(fold, Update("token", entry.name, emotives=()))
    assert before + 10_000 < fold.memory_bytes < with_both


def test_a_tombstone_counts_until_it_is_learned_again(new_index: NewIndex) -> None:
    fold = Fold(new_index())
    entry = learn((("x" * 50_000,), ("y",)))
    apply(fold, entry)
    before = fold.memory_bytes
    apply(fold, Delete("token", entry.name))
    assert fold.memory_bytes > 50_000
    for _ in range(10):
        apply(fold, entry)
        apply(fold, Delete("token", entry.name))
    apply(fold, Clear("token"))
    apply(fold, entry)
    assert fold.memory_bytes == pytest.approx(before, rel=0.01)


def test_a_cleared_fold_takes_as_much_as_an_empty_one(fold: Fold, new_index: NewIndex) -> None:
    apply(fold, Clear("token"))
    assert fold.memory_bytes == pytest.approx(Fold(new_index()).memory_bytes, abs=10_000)


@pytest.mark.parametrize("engine", ["numpy", "plain"])
def test_the_estimate_is_close_to_what_python_allocates(engine: str) -> None:
    new = PlainPatterns if engine == "plain" else PatternSearcher(engine).new_index
    gc.collect()
    tracemalloc.start()
    fold = Fold(new())
    for entry in learns(2000):
        apply(fold, entry)
    del entry
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.7 * allocated < fold.memory_bytes < 1.6 * allocated
