"""Filling an index from a store gives the same as learning one pattern after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from samples import counted, patterns

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search.pattern_searcher import PatternSearcher

NewIndex = Callable[[], PatternIndex]


def learned(index: PatternIndex, alive: Sequence[Pattern], deleted: Sequence[Pattern]) -> None:
    for pattern in sorted((*alive, *deleted), key=lambda one: one.first):
        index.put(pattern, learns=pattern.learns)
    for pattern in deleted:
        index.remove(pattern.name)


def loaded(index: PatternIndex, alive: Sequence[Pattern], deleted: Sequence[Pattern]) -> None:
    loader = index.loader()
    by_name = sorted(alive, key=lambda one: one.name)
    for start in range(0, len(by_name), 100):
        loader.add(by_name[start : start + 100])
    loader.count(deleted)
    loader.finish()


def test_a_loaded_index_equals_a_learned_one(new_index: NewIndex) -> None:
    every = list(patterns(500))
    alive, deleted = every[::3] + every[1::3], every[2::3]
    slow, fast = PlainPatterns(), new_index()
    learned(slow, alive, deleted)
    loaded(fast, alive, deleted)
    assert list(fast.after(-1)) == list(slow.after(-1))
    assert counted(fast.statistics) == counted(slow.statistics)
    assert fast.get(deleted[0].name) is None
    late = replace(every[0], name="f" * 40, first=9999)
    for index in (slow, fast):
        index.put(late, learns=1)
        index.put(replace(every[1], frequency=77), learns=2)
        index.remove(every[0].name)
    assert list(fast.after(-1)) == list(slow.after(-1))
    assert counted(fast.statistics) == counted(slow.statistics)


def test_a_loaded_index_predicts_as_a_learned_one(searcher: PatternSearcher) -> None:
    every = list(patterns(300))
    slow, fast = searcher.new_index(), searcher.new_index()
    learned(slow, every, ())
    loaded(fast, every, ())
    for state in (("a", "b"), ("", "é", "7"), ("12", "13", "14", "a", "b") * 5):
        for threshold in (0.0, 0.1, 0.5):
            expected = slow.best(state, threshold=threshold, limit=50)
            assert fast.best(state, threshold=threshold, limit=50) == expected


def test_loading_nothing_leaves_an_empty_index(new_index: NewIndex) -> None:
    index = new_index()
    loaded(index, (), ())
    assert len(index) == 0
    index.put(next(patterns(1)), learns=1)
    assert len(index) == 1


def test_only_an_empty_index_can_be_loaded(new_index: NewIndex) -> None:
    index = new_index()
    loader = index.loader()
    first, second = patterns(2)
    loader.add([first])
    index.put(second, learns=1)
    with pytest.raises(ValueError, match="without patterns"):
        loader.finish()
    with pytest.raises(ValueError, match="without patterns"):
        index.loader()
    assert list(index.after(-1)) == [second]
    index.clear()
    loaded(index, [first], ())
    assert list(index.after(-1)) == [first]


def test_a_duplicate_pattern_is_refused(new_index: NewIndex) -> None:
    index = new_index()
    (pattern,) = patterns(1)
    loader = index.loader()
    loader.add([pattern, replace(pattern, first=99)])
    with pytest.raises(ValueError, match="twice"):
        loader.finish()
    assert len(index) == 0


def test_corrections_change_the_statistics_only(new_index: NewIndex) -> None:
    every = list(patterns(50))
    index, expected = new_index(), PlainPatterns()
    loaded(index, every, ())
    learned(expected, every, ())
    corrections = Corrections({"a": (-10_000, 5), "new": (3, 2**40), "b": (0, 0)}, -7, 8, 9)
    for one in (index, expected):
        one.correct(corrections)
    assert counted(index.statistics) == counted(expected.statistics)
    assert index.statistics.pattern_member_frequency["a"] < 0
    assert index.statistics.symbol_frequency["new"] == 2**40
    assert list(index.after(-1)) == every
    index.clear()
    assert counted(index.statistics) == counted(PlainPatterns().statistics)


def test_symbols_with_negative_counts_have_no_probability(searcher: PatternSearcher) -> None:
    indexes = [searcher.new_index(), PatternSearcher("numpy").new_index()]
    answers = []
    for index in indexes:
        loaded(index, list(patterns(50)), ())
        index.correct(Corrections({"a": (-10_000, -10_000), "é": (5, 5)}, -5000, 0, 3))
        answers.append(index.best(("a", "é", "b", "7"), threshold=0.0, limit=100))
    assert answers[0] == answers[1]
    assert answers[0][0].confluence == 0.0


def test_a_loaded_index_takes_no_more_memory_than_a_learned_one(new_index: NewIndex) -> None:
    every = list(patterns(2000))
    slow, fast = new_index(), new_index()
    learned(slow, every, ())
    loaded(fast, every, ())
    assert 0.7 * slow.memory_bytes() < fast.memory_bytes() <= 1.05 * slow.memory_bytes()
