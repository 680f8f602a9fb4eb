"""States and patterns that repeat themselves: the blocks are difflib's, at a cost that stays low.

All states are longer than those that are matched on bits. Test builds (test_engine_builds.py) turn
to the alignment for repeats almost at once, so small words go through it too.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.prediction import Prediction
from kato_service.search.pattern_searcher import PatternSearcher

counted = pytest.mark.skipif(
    "KATO_TEST_ENGINE" not in os.environ, reason="needs a test build (test_engine_builds.py)"
)
LONG = 256
"""Symbols of the shortest state that is not matched on bits."""
Word = Sequence[str]


def fibonacci(size: int) -> str:
    shorter, word = "a", "ab"
    while len(word) < size:
        shorter, word = word, word + shorter
    return word[:size]


def thue_morse(size: int) -> str:
    return "".join("ab"[number.bit_count() % 2] for number in range(size))


def de_bruijn(size: int) -> str:
    """Of the order that fits, by preferring ones."""
    order = max(1, size.bit_length() - 1)
    bits, seen = [0] * order, {(0,) * order}
    while len(bits) < size:
        last = tuple(bits[len(bits) - order + 1 :])
        bits.append(int((*last, 1) not in seen))
        seen.add((*last, bits[-1]))
    return "".join("ab"[bit] for bit in bits)[:size]


def falling_runs(size: int, end: str) -> str:
    longest = int((2 * size) ** 0.5)
    return "".join("a" * run + end for run in range(longest, 0, -1))[:size]


def many_boxes(size: int, end: str) -> str:
    """The longest block is always the first one left, and all others are as long."""
    return ("aa" + end) * (size // 3)


def in_vain(size: int) -> str:
    """Half of its rows promise a block at every length and never have one."""
    runs = falling_runs(size // 3, "b")
    promise = "a" * int((size // 3 * 2) ** 0.5) + "d"
    return (runs + promise * size)[:size]


PAIRS: dict[str, Callable[[int], tuple[str, str]]] = {
    "equal symbols": lambda n: ("a" * n, "a" * n),
    "a run too many": lambda n: ("a" * (n // 2) + "b" + "a" * (n // 2), "a" * n),
    "two runs": lambda n: (
        "a" * (n // 2) + "b" + "a" * (n // 2),
        "a" * (n // 3) + "b" + "a" * (n - n // 3),
    ),
    "Fibonacci": lambda n: (fibonacci(n), fibonacci(n)[::-1]),
    "shifted": lambda n: (fibonacci(n + 7)[7:], fibonacci(n)),
    "Thue-Morse": lambda n: (thue_morse(n), thue_morse(2 * n)[n:][::-1]),
    "de Bruijn": lambda n: (de_bruijn(n), de_bruijn(n)[::-1]),
    "alternating": lambda n: ("ab" * (n // 2), "ba" * (n // 2)),
    "two periods": lambda n: ("aab" * (n // 3), "ab" * (n // 2)),
    "two of a symbol": lambda n: (drawn("ab", n, 1), drawn("ab", n, 2)),
    "three symbols": lambda n: (drawn("abc", n, 1), drawn("abc", n, 2)),
    "mostly one": lambda n: (drawn("aaaaaaaaab", n, 1), drawn("aaaaaaaaab", n, 2)),
    "many boxes": lambda n: (many_boxes(n, "b"), many_boxes(n, "c")),
    "falling runs": lambda n: (falling_runs(n, "b"), falling_runs(n, "c")),
    "in vain": lambda n: (in_vain(n), falling_runs(n // 3, "c")),
}


def drawn(symbols: str, size: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(symbols, k=size))


@st.composite
def words(draw: st.DrawFn, longest: int) -> str:
    """Built of repeats of repeats, with some damage."""
    word = draw(st.text("abc", min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 3))):
        word = word * draw(st.integers(1, 9)) + draw(st.text("abc", max_size=3))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(word)))
        word = word[:place] + draw(st.sampled_from("abcd")) + word[place:]
    return word[:longest]


def padded(word: Word, before: int) -> tuple[str, ...]:
    """A long state: symbols that no pattern has lie around the word."""
    return (*["-"] * before, *word, *["-"] * max(0, LONG - before - len(word)))


def pattern(word: Word, first: int = 1) -> Pattern:
    events = (tuple(word),)
    return Pattern(pattern_name(events), events, first=first, revision=first)


def predicted(
    searcher: PatternSearcher, patterns: Sequence[Word], state: Word
) -> dict[Word, Prediction]:
    """By pattern, at threshold 0."""
    index = searcher.new_index()
    for first, word in enumerate(patterns, start=1):
        index.put(pattern(word, first), learns=1)
    found = index.best(tuple(state), threshold=0.0, limit=len(patterns))
    return {one.sequence[0]: one for one in found}


def assert_as_difflib(found: Prediction, word: Word, state: Word) -> None:
    matcher = SequenceMatcher(None, word, state, autojunk=False)
    *blocks, _ = matcher.get_matching_blocks()
    inside = [at for block in blocks for at in range(block.b, block.b + block.size)]
    assert found.matches == tuple(state[at] for at in inside)
    assert found.extras == tuple(state[at] for at in sorted(set(range(len(state))) - set(inside)))
    assert found.fragmentation == len(blocks) - 1.0


@pytest.mark.parametrize("name", PAIRS)
def test_degenerate_words_have_difflibs_blocks(searcher: PatternSearcher, name: str) -> None:
    for size in (300, 450):
        word, state = PAIRS[name](size)
        padding = padded(state, before=3)
        found = predicted(searcher, [tuple(word)], padding)
        assert_as_difflib(found[tuple(word)], tuple(word), padding)


@settings(max_examples=60)
@given(words(longest=400), words(longest=600))
def test_so_have_words_of_repeats_in_repeats(
    searcher: PatternSearcher, word: str, state: str
) -> None:
    padding = padded(state, before=0)
    found = predicted(searcher, [tuple(word)], padding)
    assert_as_difflib(found[tuple(word)], tuple(word), padding)


@pytest.mark.parametrize(("symbols", "longest"), [("ab", 6), ("abc", 4)])
def test_so_has_every_small_word_with_every_other(
    searcher: PatternSearcher, symbols: str, longest: int
) -> None:
    every = [word for size in range(1, longest + 1) for word in product(symbols, repeat=size)]
    states = [padded(word, before=size) for size, word in enumerate(every)]
    index = searcher.new_index()
    for first, word in enumerate(every, start=1):
        index.put(pattern(word, first), learns=1)
    for state in states:
        for one in index.best(state, threshold=0.0, limit=len(every)):
            assert_as_difflib(one, one.sequence[0], state)


def compiled_best(word: Word, state: Word, until: float) -> Any:
    engine = pytest.importorskip("kato_service.search._engine")
    index = engine.Index()
    one = pattern(word)
    index.put(one.name, one.events, 1, 1, 1, 1, 1)
    return index.frozen().best(tuple(state), 1e-9, 1, until)


@counted
@pytest.mark.parametrize("name", PAIRS)
def test_twice_as_long_takes_less_than_three_times_the_steps(name: str) -> None:
    once, twice = (
        compiled_best(*PAIRS[name](size), until=time.monotonic() + 60).steps()
        for size in (2000, 4000)
    )
    assert twice < 3 * once
    assert twice < 64 * 20 * 8000


@counted
def test_an_alignment_out_of_memory_says_so_and_harms_nothing() -> None:
    engine = pytest.importorskip("kato_service.search._engine")
    word, state = PAIRS["two periods"](400)
    failed = 0
    for allowed in range(1000):
        engine.fail_allocations_after(allowed)
        try:
            rows = list(compiled_best(word, state, until=time.monotonic() + 60))
        except MemoryError:
            failed += 1
        else:
            break
        finally:
            engine.fail_allocations_after(-1)
    assert failed > 30
    assert len(rows[0][2]) == 301


def test_an_alignment_ends_when_its_time_is_over() -> None:
    word, state = PAIRS["in vain"](60_000)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        compiled_best(word, state, until=began + 0.05)
    assert time.monotonic() - began < 1.0
