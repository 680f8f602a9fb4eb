"""The first learn of a pattern in one step: the same as adding the pattern, in every index."""

import random
from collections.abc import Callable

import pytest

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search import _engine
from kato_service.search.compiled_index import CompiledPatternIndex
from kato_service.search.numpy_index import NumpyPatternIndex

Events = tuple[tuple[str, ...], ...]
every_index = pytest.mark.parametrize(
    "new_index", [PlainPatterns, NumpyPatternIndex, CompiledPatternIndex]
)


def some_events(rng: random.Random) -> Events:
    return tuple(
        tuple(f"s{rng.randrange(6)}" for _ in range(rng.randint(1, 3)))
        for _ in range(rng.randint(1, 4))
    )


def shown(index: PatternIndex) -> object:
    counted = index.statistics
    symbols = dict(counted.pattern_member_frequency), dict(counted.symbol_frequency)
    totals = counted.total_learns, counted.total_symbols, counted.total_distinct_symbols
    return list(index.after(-1)), symbols, totals


@every_index
def test_it_is_what_adding_the_pattern_is(new_index: Callable[[], PatternIndex]) -> None:
    rng, learned, added = random.Random(1), new_index(), new_index()
    repeats = 0
    for revision in range(1, 400):
        events = some_events(rng)
        name = pattern_name(events)
        is_new = added.get(name) is None
        assert learned.learn(name, events, revision) is is_new
        if is_new:
            added.put(Pattern(name, events, first=revision, revision=revision), learns=1)
        else:
            repeats += 1
        if rng.random() < 0.2:
            learned.remove(name)
            added.remove(name)
        assert learned.get(name) == added.get(name)
    assert repeats > 20
    assert shown(learned) == shown(added)


@every_index
def test_a_known_pattern_stays_what_it_was(new_index: Callable[[], PatternIndex]) -> None:
    index, events = new_index(), (("s1",), ("s2", "s2"))
    name = pattern_name(events)
    known = Pattern(name, events, 7, 3, ({"joy": 1.0},), {"k": ('"v"',)}, {"joy": 2.0}, 1, 5)
    index.put(known, learns=3)
    before = shown(index)
    assert not index.learn(name, events, 9)
    assert index.get(name) == known
    assert shown(index) == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("ab", (("a",),), 1), ValueError, id="not a name"),
        pytest.param(("a" * 40, (), 1), TypeError, id="no events"),
        pytest.param(("a" * 40, ((),), 1), TypeError, id="empty event"),
        pytest.param(("a" * 40, ((b"a",),), 1), TypeError, id="bytes"),
    ],
)
def test_what_is_not_a_pattern_is_not_learned(arguments: tuple[object, ...], error: type) -> None:
    index = _engine.Index()
    with pytest.raises(error):
        index.learn(*arguments)
    assert len(index) == 0
