"""Equal symbols of all indexes in a process are one string, which goes with its last holder."""

import gc
import random
from uuid import uuid4

import pytest

from kato_service.domain.pattern import Pattern, pattern_name

_engine = pytest.importorskip("kato_service.search._engine")
compiled = pytest.importorskip("kato_service.search.compiled_index")
SYMBOL_BYTES = 49
"""A string of ASCII without its characters."""


@pytest.fixture(autouse=True)
def _settled() -> None:
    gc.collect()  # indexes of earlier tests


def text() -> str:
    """A new string, equal to no other."""
    return uuid4().hex


def again(symbol: str) -> str:
    """An equal string that is another object."""
    return "".join(list(symbol))


def learned(*symbols: str) -> "compiled.CompiledPatternIndex":
    index = compiled.CompiledPatternIndex()
    learn(index, *symbols)
    return index


def learn(index: "compiled.CompiledPatternIndex", *symbols: str) -> None:
    events = tuple((symbol,) for symbol in symbols)
    first = len(index) + 1
    pattern = Pattern(pattern_name(events), events, 1, 1, first=first, revision=first)
    index.put(pattern, learns=1)


def held() -> int:
    return int(_engine.shared_strings()[0])


def saved() -> int:
    return int(_engine.shared_strings()[2])


def test_equal_symbols_of_two_indexes_are_one_object() -> None:
    symbol = text()
    one, two = learned(symbol), learned(again(symbol), "other")
    (((first,),), ((second,), _)) = (next(index.after(-1)).events for index in (one, two))
    assert first is second


def test_what_others_hold_changes_no_answer_and_no_size() -> None:
    symbols = [text() for _ in range(50)]
    alone = learned(*symbols)
    size = alone.memory_bytes()
    assert learned(*map(again, symbols)).memory_bytes() == size == alone.memory_bytes()


def test_a_string_goes_with_its_last_holder() -> None:
    before, symbol = held(), text()
    one, two = learned(symbol), learned(again(symbol))
    assert held() == before + 1
    del one
    assert held() == before + 1
    two.clear()
    assert held() == before


def test_a_frozen_copy_holds_its_strings() -> None:
    before = held()
    index = learned(text(), text())
    frozen = index.frozen()
    index.clear()
    assert held() == before + 2
    del frozen
    assert held() == before


def test_what_is_saved_is_what_equal_strings_would_take() -> None:
    symbol, before = text(), saved()
    first = learned(symbol)
    assert saved() == before
    others = [learned(again(symbol)) for _ in range(3)]
    assert saved() == before + 3 * (SYMBOL_BYTES + len(symbol))
    del first
    assert saved() == before + 2 * (SYMBOL_BYTES + len(symbol))
    others.clear()
    assert saved() == before


def test_any_order_of_learns_and_clears_leaves_the_strings_that_are_needed() -> None:
    rng, before, prefix = random.Random(7), held(), text()
    indexes = [compiled.CompiledPatternIndex() for _ in range(6)]
    needed: list[set[int]] = [set() for _ in indexes]
    for step in range(3000):
        place = rng.randrange(len(indexes))
        if rng.random() < 0.01:
            indexes[place].clear()
            needed[place] = set()
            continue
        numbers = rng.choices(range(400), k=rng.randint(1, 4))
        # The first few symbols of an index are shared; test builds share 20.
        if len(needed[place] | set(numbers)) <= 20:
            learn(indexes[place], *(f"{prefix}{number}" for number in numbers))
            needed[place] |= set(numbers)
        if step % 100 == 0:
            assert held() == before + len(set[int]().union(*needed))
    for index in indexes:
        index.clear()
    assert held() == before


def test_an_index_of_many_symbols_keeps_those_after_the_first_for_itself() -> None:
    before, prefix = held(), text()
    index = learned(*(f"{prefix}{number}" for number in range(5000)))
    assert before < held() <= before + 4096
    assert [event for (event,) in next(index.after(-1)).events[-2:]] == [
        f"{prefix}4998",
        f"{prefix}4999",
    ]
    assert index.engine.count(f"{prefix}4999") == (1, 1)
    del index
    assert held() == before
