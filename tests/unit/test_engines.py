"""Both matching engines, compared with the standard library's difflib over every pattern."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service.api.shapes import rendering
from kato_service.domain.alignment import similarity
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Event, Pattern, flatten, pattern_name
from kato_service.domain.prediction import Prediction
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Learn, Update
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_ranking import Match, best_predictions

THRESHOLDS = (0.0, 1e-9, 0.1, 0.25, 1 / 3, 0.4, 0.5, 2 / 3, 0.8, 1.0)
"""With ties among them: similarities are fractions of small integers."""
ALPHABETS = ("a", "ab", "abc", "abcdefgh", ("", "é", "e\u0301", "𝄞", "a b", "'", "0"))


def exhaustive(fold: Fold, state: tuple[str, ...], genes: Genes) -> tuple[Prediction, ...]:
    """The predictions of a search that aligns and scores every pattern."""
    if len(state) < 2:
        return ()
    matches = [match_of(pattern, state) for pattern in fold.patterns.values()]
    kept = [match for match in matches if match.similarity >= genes.recall_threshold]
    ranked = best_predictions(kept, state, fold.statistics, limit=len(kept))
    return ranked[: genes.max_predictions]


def match_of(pattern: Pattern, state: Sequence[str]) -> Match:
    symbols = flatten(pattern.events)
    matcher = SequenceMatcher(None, symbols, state, autojunk=False)
    *found, _end = matcher.get_matching_blocks()
    blocks = tuple((block.a, block.b, block.size) for block in found)
    matched = sum(size for _, _, size in blocks)
    alike = similarity(matched, len(symbols), len(state))
    return Match(pattern, len(symbols), blocks, matched, alike)


def rendered(predictions: Sequence[Prediction]) -> bytes:
    """The JSON of the API: engines agree to the last byte."""
    return orjson.dumps([rendering.prediction(prediction) for prediction in predictions])


@dataclass
class History:
    """A random history, the same for folds of any index."""

    rng: random.Random
    alphabet: Sequence[str]
    longest: int
    learned: list[tuple[Event, ...]] = field(default_factory=list)

    def entries(self, count: int) -> Iterator[Entry]:
        for _ in range(count):
            yield self._entry()

    def state(self, longest: int) -> tuple[str, ...]:
        """Damaged slices of learned patterns, and random symbols."""
        size = self.rng.randint(2, longest)
        symbols: list[str] = []
        while self.learned and len(symbols) < size and self.rng.random() < 0.8:
            known = flatten(self.rng.choice(self.learned))
            start = self.rng.randrange(len(known))
            symbols += known[start : start + self.rng.randint(1, len(known))]
        symbols += self.rng.choices(self.alphabet, k=max(2, size - len(symbols)))
        for _ in range(len(symbols) // 5):
            symbols[self.rng.randrange(len(symbols))] = self.rng.choice([*self.alphabet, "new"])
        return tuple(symbols[:longest])

    def _entry(self) -> Entry:
        if not self.learned or self.rng.random() < 0.6:
            return self._learn(self._events())
        events = self.rng.choice(self.learned)
        name = pattern_name(events)
        match self.rng.randrange(40):
            case 0:
                self.learned.clear()
                return Clear("")
            case number if number < 16:
                return Delete("", name)
            case number if number < 24:
                return Update("", name, frequency=self.rng.choice((0, 1, 7, 2**31 - 1)))
            case _:
                return self._learn(events)

    def _learn(self, events: tuple[Event, ...]) -> Learn:
        self.learned.append(events)
        how = self.rng.choice((None, {}, {"joy": self.rng.random()}))
        return Learn("", pattern_name(events), events, how, 2, {"k": ('"v"',)} if how else {})

    def _events(self) -> tuple[Event, ...]:
        """Random events; sometimes one symbol repeated, or a damaged copy of a learned pattern."""
        size = self.rng.randint(1, self.longest)
        symbols = self.rng.choices(self.alphabet, k=size)
        if self.rng.random() < 0.2:
            symbols = [self.rng.choice(self.alphabet)] * size
        if self.learned and self.rng.random() < 0.3:
            symbols = list(flatten(self.rng.choice(self.learned)))
            symbols[self.rng.randrange(len(symbols))] = self.rng.choice(self.alphabet)
        return tuple(self._cut(symbols))

    def _cut(self, symbols: Sequence[str]) -> Iterator[Event]:
        start = 0
        while start < len(symbols):
            size = self.rng.choice((1, 1, 2, 3, 9))
            yield tuple(symbols[start : start + size])
            start += size


def compared(searcher: PatternSearcher, history: History, *, learns: int, state: int) -> None:
    plain, fold = Fold(PlainPatterns()), Fold(searcher.new_index())
    for revision, entry in enumerate(history.entries(learns), start=1):
        assert fold.apply(revision, entry) == plain.apply(revision, entry)
        if history.rng.random() < 0.15:
            asked = history.state(state)
            genes = Genes(
                recall_threshold=history.rng.choice(THRESHOLDS),
                max_predictions=history.rng.choice((1, 2, 5, 1000)),
            )
            given = searcher.predict(fold.reading(), (asked,), genes)
            assert rendered(given) == rendered(exhaustive(plain, asked, genes))
    assert dict(fold.patterns) == dict(plain.patterns)
    assert list(fold.patterns) == list(plain.patterns)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(ALPHABETS), st.sampled_from((3, 9, 30)))
def test_predictions_match_an_exhaustive_search(
    searcher: PatternSearcher, seed: int, alphabet: Sequence[str], longest: int
) -> None:
    history = History(random.Random(seed), alphabet, longest)
    compared(searcher, history, learns=80, state=2 * longest)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from(ALPHABETS))
def test_predictions_of_long_states_and_patterns_match_an_exhaustive_search(
    searcher: PatternSearcher, seed: int, alphabet: Sequence[str]
) -> None:
    history = History(random.Random(seed), alphabet, 150)
    compared(searcher, history, learns=30, state=400)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_predictions_of_states_that_fill_machine_words_match_an_exhaustive_search(
    searcher: PatternSearcher, seed: int
) -> None:
    history = History(random.Random(seed), "ab", 70)
    plain, fold = Fold(PlainPatterns()), Fold(searcher.new_index())
    for revision, entry in enumerate(history.entries(20), start=1):
        plain.apply(revision, entry)
        fold.apply(revision, entry)
    for size in (63, 64, 65, 128, 129, 192, 193, 255, 256):
        state = tuple(history.rng.choices("abc", k=size))
        genes = Genes(recall_threshold=history.rng.choice(THRESHOLDS))
        assert searcher.predict(fold.reading(), (state,), genes) == exhaustive(plain, state, genes)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 1.0])
def test_without_patterns_nothing_is_predicted(searcher: PatternSearcher, threshold: float) -> None:
    reading = Fold(searcher.new_index()).reading()
    genes = Genes(recall_threshold=threshold)
    assert searcher.predict(reading, (("a", "b"),), genes) == ()
    assert searcher.predict(reading, (("a",),), genes) == ()


def test_the_longest_state_matches_a_pattern_beyond_the_limits_of_the_api(
    searcher: PatternSearcher,
) -> None:
    fold = Fold(searcher.new_index())
    long = tuple((f"s{number}",) for number in range(5000))
    fold.apply(1, Learn("", pattern_name(long), long, None, 5))
    state = (*flatten(long)[1000:], *(f"x{number}" for number in range(61_535)))
    (found,) = searcher.predict(fold.reading(), (state,), Genes(recall_threshold=0.1))
    assert len(found.matches) == 4000
    assert len(found.extras) == 61_535
    assert searcher.predict(fold.reading(), (state,), Genes(recall_threshold=0.2)) == ()


def test_equal_potentials_rank_by_first_learn_even_after_a_relearn(
    searcher: PatternSearcher,
) -> None:
    fold = Fold(searcher.new_index())
    learns = [Learn("", pattern_name(e), e, None, 5) for e in ((("a", "b", x),) for x in "xyz")]
    history = [*learns, Delete("", learns[0].name), learns[0]]
    for revision, entry in enumerate(history, start=1):
        fold.apply(revision, entry)
    found = searcher.predict(fold.reading(), (("a", "b"),), Genes())
    assert [prediction.name for prediction in found][:2] == [learns[1].name, learns[2].name]
    page = fold.reading().page(after=0, limit=9).patterns
    assert [pattern.first for pattern in page] == [2, 3, 5]


def test_symbols_are_compared_by_code_point(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    events = (("é", "A", "ﬁ"),)
    fold.apply(1, Learn("", pattern_name(events), events, None, 5))
    assert searcher.predict(fold.reading(), (("e\u0301", "a", "fi"),), Genes()) == ()


def test_rare_symbols_find_their_patterns_in_every_segment(searcher: PatternSearcher) -> None:
    """Few postings per segment, most of them of patterns that share too little with the state."""
    rng = random.Random(6)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    for revision in range(1, 40_001):
        events = tuple((f"s{rng.randrange(400)}",) for _ in range(rng.randint(2, 12)))
        entry = Learn("", pattern_name(events), events, None, 5)
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    for _ in range(3):
        state = tuple(f"s{rng.randrange(400)}" for _ in range(6))
        genes = Genes(recall_threshold=0.25)
        assert searcher.predict(fold.reading(), (state,), genes) == exhaustive(plain, state, genes)


def test_tens_of_thousands_of_patterns_are_matched_removed_and_listed(
    searcher: PatternSearcher,
) -> None:
    rng = random.Random(5)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    names = []
    for revision in range(1, 18_001):
        events = tuple((f"s{rng.randrange(300)}",) for _ in range(rng.randint(2, 6)))
        entry = Learn("", pattern_name(events), events, None, 5)
        names.append(entry.name)
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    for revision, name in enumerate(rng.sample(names, 15_000), start=18_001):
        fold.apply(revision, Delete("", name))
        plain.apply(revision, Delete("", name))
    state = tuple(f"s{rng.randrange(300)}" for _ in range(30))
    assert searcher.predict(fold.reading(), (state,), Genes()) == exhaustive(plain, state, Genes())
    assert list(fold.patterns) == list(plain.patterns)
