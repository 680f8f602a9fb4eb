"""Selecting patterns by a filter: every index gives what a plain look at all patterns gives."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import LOOKED_AT, PatternIndex
from kato_service.knowledge.model.pattern_filter import PatternFilter, Revisions
from kato_service.search.pattern_searcher import PatternSearcher

SYMBOLS = "abcdef"
NEW_INDEXES: dict[str, Callable[[], PatternIndex]] = {
    "plain": PlainPatterns,
    "numpy": PatternSearcher("numpy").new_index,
    "compiled": lambda: pytest.importorskip(
        "kato_service.search.compiled_index"
    ).CompiledPatternIndex(),
}


def pattern(rng: random.Random, first: int) -> Pattern:
    events = tuple(
        tuple(rng.choices(SYMBOLS, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 4))
    )
    events = (*events, (f"n{first}",))
    metadata = {"k": (f'"{rng.choice("xy")}"',)} if rng.random() < 0.3 else {}
    return Pattern(
        pattern_name(events),
        events,
        frequency=rng.randint(0, 5),
        metadata=metadata,
        first=first,
        revision=first + rng.randint(0, 50),
    )


@st.composite
def filters(draw: st.DrawFn) -> PatternFilter:
    symbol = st.sampled_from([*SYMBOLS, "unknown"])
    bounds = st.builds(Revisions, after=st.integers(0, 200), before=st.integers(100, 400))
    return PatternFilter(
        symbols=draw(st.tuples() | st.tuples(symbol) | st.tuples(symbol, symbol)),
        prefix=draw(st.tuples() | st.tuples(st.tuples(symbol))),
        metadata=draw(st.just({}) | st.sampled_from([{"k": None}, {"k": '"x"'}])),
        least=draw(st.sampled_from([0, 0, 2])),
        most=draw(st.sampled_from([10, 3])),
        first=draw(st.just(Revisions()) | bounds),
        changed=draw(st.just(Revisions()) | bounds),
    )


def everything(
    index: PatternIndex, wanted: PatternFilter, limit: int, *, newest_first: bool
) -> list[Pattern]:
    """All pages one after another."""
    found: list[Pattern] = []
    while True:
        some, reached = index.select(wanted, limit=limit, newest_first=newest_first)
        assert len(some) <= limit
        found += some
        if reached is None:
            return found
        bound = {"before": reached} if newest_first else {"after": reached}
        wanted = replace(wanted, first=replace(wanted.first, **bound))


def fits(pattern: Pattern, wanted: PatternFilter) -> bool:
    """The same, written another way."""
    first, changed = wanted.first, wanted.changed
    return (
        set(wanted.symbols) <= set(flatten(pattern.events))
        and all(
            pattern.events[place][: len(event)] == event
            for place, event in enumerate(wanted.prefix)
        )
        and all(
            value in pattern.metadata.get(key, ()) if value else key in pattern.metadata
            for key, value in wanted.metadata.items()
        )
        and wanted.least <= pattern.frequency <= wanted.most
        and first.after < pattern.first < first.before
        and changed.after < pattern.revision < changed.before
    )


@pytest.mark.parametrize("kind", NEW_INDEXES)
@given(wanted=filters(), seed=st.integers(0, 20), limit=st.sampled_from([1, 7, 1000]))
@settings(max_examples=25, deadline=None)
def test_pages_hold_what_fits_in_order(
    kind: str, wanted: PatternFilter, seed: int, limit: int
) -> None:
    rng = random.Random(seed)
    index = NEW_INDEXES[kind]()
    known = [pattern(rng, first) for first in range(1, 160)]
    for one in known:
        index.put(one, learns=1)
    gone = set(rng.sample(range(len(known)), 30))
    for place in gone:
        index.remove(known[place].name)
    left = [one for place, one in enumerate(known) if place not in gone]
    expected = [one for one in left if fits(one, wanted)]
    assert everything(index, wanted, limit, newest_first=False) == expected
    assert everything(index, wanted, limit, newest_first=True) == expected[::-1]


@pytest.mark.parametrize("kind", NEW_INDEXES)
def test_one_selection_looks_at_a_bounded_number(kind: str) -> None:
    rng = random.Random(1)
    index = NEW_INDEXES[kind]()
    for first in range(1, 2 * LOOKED_AT + 10):
        index.put(replace(pattern(rng, first), frequency=1), learns=1)
    found, reached = index.select(PatternFilter(least=2), limit=10, newest_first=False)
    assert found == ()
    assert reached is not None
    assert reached <= LOOKED_AT + 1


@pytest.mark.parametrize("newest_first", [False, True])
def test_postings_lead_to_every_holder(*, newest_first: bool) -> None:
    rng = random.Random(2)
    index = NEW_INDEXES["compiled"]()
    known = [pattern(rng, first) for first in range(1, 3000)]
    for one in known:
        index.put(one, learns=1)
    for place in range(0, 2999, 7):
        index.remove(known[place].name)
    left = [one for place, one in enumerate(known) if place % 7]
    for symbols in (("a",), ("a", "b", "c"), ("n77",), ("a", "n2500")):
        wanted = PatternFilter(symbols=symbols)
        expected = [one for one in left if fits(one, wanted)]
        found = everything(index, wanted, 50, newest_first=newest_first)
        assert found == (expected[::-1] if newest_first else expected)


@pytest.mark.parametrize("kind", NEW_INDEXES)
@pytest.mark.parametrize("count", [0, 3, 20_000])
def test_patterns_are_counted_by_their_first_learn(kind: str, count: int) -> None:
    rng = random.Random(3)
    index = NEW_INDEXES[kind]()
    known = [pattern(rng, 2 * number) for number in range(1, count + 1)]
    for one in known:
        index.put(one, learns=1)
    for one in rng.sample(known, count // 4):
        index.remove(one.name)
    left = [one.first for one in known if index.get(one.name)]
    asked = (-1, 0, 2, 5, 9_000, 32_767, 32_769, 39_999, 2**40)
    counts = index.counts_until(asked)
    assert counts == tuple(sum(first <= each for first in left) for each in asked)
