"""Fuzzy matching of both engines, compared with later-clients.md L6 written down word by word."""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from difflib import SequenceMatcher
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines import THRESHOLDS, History
from test_engines_later import EVERYTHING, affinity_of, searched

from kato_service.domain.alignment import similarity
from kato_service.domain.genes import RANK_KEYS, Genes
from kato_service.domain.pattern import Event, Pattern, flatten, pattern_name
from kato_service.domain.prediction import Anomaly
from kato_service.domain.spelling import Spelling, ratio
from kato_service.errors import MatchingBudgetError
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Delete, Learn
from kato_service.search import fuzzy
from kato_service.search.matching import Details, Found, Wanted
from kato_service.search.pace import Pace
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_later import Knowledge, found_later
from kato_service.search.plain_ranking import Match

WORDS = (
    *("apple", "aple", "apples", "appel", "maple", "banana", "bannana", "banan", "cherry"),
    *("chery", "berry", "", "a", "é", "e\u0301", "éa", "𝄞𝄞a", "𝄞a", "a" * 70, "a" * 66 + "b"),
    *("b" * 64, "ab" * 90, "ba" * 90, "VCTR|apple", "VCTR|aple", "VCTR", "Apple", "x", "xy"),
)
"""Many of them alike, at different lengths; those of vectors match exactly only."""
LIKENESSES = (1e-300, 0.1, 0.4, 0.5, 2 / 3, 0.8, 0.85, 6 / 7, 10 / 11, 1.0)
"""With ties among them: ratios are fractions of small integers."""


@cache
def ratio_of_text(x: str, y: str) -> float:
    """The documented ratio, with the longest common subsequence from its definition."""
    lengths = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    for i, left in enumerate(x):
        for j, right in enumerate(y):
            is_longer = left == right
            longest = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if is_longer else longest
    total = len(x) + len(y)
    return 1 - (total - 2 * lengths[-1][-1]) / total if total else 1.0


def respelled(state: tuple[str, ...], symbols: Sequence[str], least: float) -> tuple[str, ...]:
    """T′ of step 1."""
    spelled = list(state)
    known = [symbol for symbol in symbols if not symbol.startswith("VCTR|")]
    for place, symbol in enumerate(state):
        if symbol in symbols or symbol.startswith("VCTR|") or not known:
            continue
        most = max(known, key=lambda one: ratio_of_text(symbol, one))
        if ratio_of_text(symbol, most) >= least:
            spelled[place] = most
    return tuple(spelled)


def match_of(pattern: Pattern, state: tuple[str, ...], least: float) -> Match:
    symbols = flatten(pattern.events)
    spelled = respelled(state, symbols, least) if least and len(state) > 1 else state
    matcher = SequenceMatcher(None, symbols, spelled, autojunk=False)
    *found, _end = matcher.get_matching_blocks()
    blocks = tuple((block.a, block.b, block.size) for block in found)
    matched = sum(size for _, _, size in blocks)
    alike = similarity(matched, len(symbols), len(state))
    own = None if spelled == state else spelled
    return Match(pattern, len(symbols), blocks, matched, alike, own)


def exhaustive(fold: Fold, state: tuple[str, ...], genes: Genes, details: Details) -> Found:
    """What a search finds that aligns every pattern in its own spelling."""
    least = genes.fuzzy_token_threshold
    matches = [match_of(pattern, state, least) for pattern in fold.patterns.values()]
    kept = [match for match in matches if match.similarity >= genes.recall_threshold]
    emotive = genes.affinity_emotive
    is_null = emotive is None and genes.rank_sort_algo.startswith("weighted_")
    rank_by = "potential" if is_null else genes.rank_sort_algo
    wanted = Wanted(details.later, details.futures, rank_by, affinity_emotive=emotive)

    def holders(_symbols: Iterable[str]) -> Counter[str]:
        return Counter(s for one in fold.patterns.values() for s in set(flatten(one.events)))

    weighing = None if emotive is None else affinity_of(fold, emotive)
    known = Knowledge(fold.statistics, len(fold.patterns), holders, weighing)
    return found_later(kept, state, known, wanted, limit=genes.max_predictions)


def learned(fold: Fold, *patterns: tuple[Event, ...]) -> Fold:
    for revision, events in enumerate(patterns, start=1):
        fold.apply(revision, Learn("", pattern_name(events), events, None, 5))
    return fold


def flat(text: str) -> tuple[Event, ...]:
    return tuple((word,) for word in text.split())


def compared(searcher: PatternSearcher, history: History, *, learns: int, state: int) -> None:
    plain, fold = Fold(PlainPatterns()), Fold(searcher.new_index())
    rng = history.rng
    for revision, entry in enumerate(history.entries(learns), start=1):
        fold.apply(revision, entry)
        plain.apply(revision, entry)
        if rng.random() < 0.15:
            asked = history.state(state)
            genes = Genes(
                recall_threshold=rng.choice(THRESHOLDS),
                max_predictions=rng.choice((1, 2, 5, 1000)),
                rank_sort_algo=rng.choice(("potential", "itfdf_similarity", *RANK_KEYS)),
                fuzzy_token_threshold=rng.choice(LIKENESSES),
                affinity_emotive=rng.choice((None, None, "joy")),
            )
            details = Details(later=rng.random() < 0.8, futures=rng.random() < 0.5)
            given = searched(searcher, fold, asked, genes, details)
            assert given == exhaustive(plain, asked, genes, details), genes


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from((2, 4, 12)), st.sampled_from((3, 9, 30)))
def test_fuzzy_matches_are_those_of_the_text(
    searcher: PatternSearcher, seed: int, words: int, longest: int
) -> None:
    rng = random.Random(seed)
    history = History(rng, rng.sample(WORDS, words), longest)
    compared(searcher, history, learns=60, state=2 * longest)


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_fuzzy_matches_of_long_states_are_those_of_the_text(
    searcher: PatternSearcher, seed: int
) -> None:
    history = History(random.Random(seed), WORDS[:12], 150)
    compared(searcher, history, learns=25, state=700)


@given(st.text("abé𝄞", max_size=80), st.text("abé𝄞", max_size=80), st.sampled_from(LIKENESSES))
def test_the_ratio_is_that_of_the_longest_common_subsequence(x: str, y: str, least: float) -> None:
    expected = ratio_of_text(x, y)
    assert ratio(x, y) == expected
    assert Spelling(x, least).ratio(y) == (expected if expected >= least else 0.0)


def test_a_state_of_typos_matches_in_the_observed_spelling(searcher: PatternSearcher) -> None:
    fold = learned(Fold(searcher.new_index()), flat("apple banana cherry date elderberry"))
    genes = Genes(fuzzy_token_threshold=0.85)
    state = ("apple", "bannana", "chery")
    (found,) = searched(searcher, fold, state, genes, EVERYTHING).predictions
    assert (found.matches, found.missing, found.extras) == (state, (), ())
    assert (found.similarity, found.evidence, found.potential) == (0.75, 0.6, 3.6)
    assert found.later is not None
    assert found.later.anomalies == (
        Anomaly("bannana", "banana", pytest.approx(12 / 13)),
        Anomaly("chery", "cherry", pytest.approx(10 / 11)),
    )
    (typos,) = searched(searcher, fold, state[1:], genes, Details()).predictions
    assert (typos.matches, typos.present) == (state[1:], (("banana",), ("cherry",)))
    assert searched(searcher, fold, state[1:], Genes(), Details()) == Found()


def test_what_matches_weighs_as_the_pattern_spells_it(searcher: PatternSearcher) -> None:
    fold, events = Fold(searcher.new_index()), flat("apple banana cherry")
    fold.apply(1, Learn("", pattern_name(events), events, {"joy": 2.0}, 5))
    genes = Genes(fuzzy_token_threshold=0.85, affinity_emotive="joy")
    state = ("apple", "bannana", "z")
    (found,) = searched(searcher, fold, state, genes, EVERYTHING).predictions
    assert found.weighted is not None
    assert asdict(found.weighted) == {
        "weighted_similarity": pytest.approx(2 * 4.02 / (6.03 + 4.02 + 0.01)),
        "weighted_evidence": pytest.approx(4.02 / 6.03),
        "weighted_confidence": pytest.approx(1.0),
        "weighted_snr": pytest.approx(4.02 / 4.03),
    }


def test_two_spellings_of_one_symbol_compete(searcher: PatternSearcher) -> None:
    fold = learned(Fold(searcher.new_index()), flat("banana cherry"))
    genes = Genes(fuzzy_token_threshold=0.8)
    state = ("bananna", "bannana")
    (found,) = searched(searcher, fold, state, genes, EVERYTHING).predictions
    assert (found.matches, found.extras, found.evidence) == (("bananna",), ("bannana",), 0.5)
    assert found.later is not None
    assert [one.observed for one in found.later.anomalies] == ["bananna"]


def test_one_symbol_and_vectors_match_exactly_only(searcher: PatternSearcher) -> None:
    patterns = (flat("banana x"), flat("VCTR|12345678 y"))
    fold = learned(Fold(searcher.new_index()), *patterns)
    genes = Genes(fuzzy_token_threshold=0.5, single_symbol_predictions=True)
    assert searched(searcher, fold, ("bannana",), genes, EVERYTHING) == Found()
    state = ("VCTR|12345679", "VCTR|x")
    assert searched(searcher, fold, state, genes, EVERYTHING) == Found()
    state = ("VCTR|12345678", "bananas")
    found = searched(searcher, fold, state, genes, EVERYTHING).predictions
    assert sorted(one.matches for one in found) == [("VCTR|12345678",), ("bananas",)]


def test_many_patterns_are_searched_by_two_threads(searcher: PatternSearcher) -> None:
    rng = random.Random(3)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    names = [f"sensor_{number:03}" for number in range(60)]
    for revision in range(1, 901):
        events = tuple(tuple(rng.choices(names, k=2)) for _ in range(rng.randint(1, 4)))
        entry = Learn("", pattern_name(events), events, None, 5)
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    for revision, name in enumerate(rng.sample(sorted(plain.patterns), 100), start=901):
        fold.apply(revision, Delete("", name))
        plain.apply(revision, Delete("", name))
    state = ("sensor_001", "sensor_0O2", "sensor_999", "sensr_010", "sensor_003")
    for rank_by in ("potential", "itfdf_similarity", "predictive_information"):
        genes = Genes(rank_sort_algo=rank_by, max_predictions=50, fuzzy_token_threshold=0.9)
        given = searched(searcher, fold, state, genes, EVERYTHING)
        assert given == exhaustive(plain, state, genes, EVERYTHING), rank_by
        assert any(one.later and one.later.anomalies for one in given.predictions)


def test_the_gene_changes_nothing_where_all_symbols_are_known(searcher: PatternSearcher) -> None:
    history = History(random.Random(8), ("ab", "abc", "abcd"), 9)
    fold = Fold(searcher.new_index())
    for revision, entry in enumerate(history.entries(100), start=1):
        fold.apply(revision, entry)
    state = ("ab", "abc", "abcd", "ab")
    exact = searched(searcher, fold, state, Genes(max_predictions=1000), EVERYTHING)
    genes = Genes(max_predictions=1000, fuzzy_token_threshold=1.0)
    assert searched(searcher, fold, state, genes, EVERYTHING) == exact
    assert exact.predictions


def test_too_many_alike_symbols_and_a_used_up_budget_end_it(
    searcher: PatternSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = learned(Fold(searcher.new_index()), *(flat(f"a{n} a{n + 1}") for n in range(300)))
    genes = Genes(fuzzy_token_threshold=0.1)
    search = searcher.search(fold.reading(), (("a1", "a2"),), genes, EVERYTHING)
    pace = Pace(0.0)
    pace.begin()
    with pytest.raises(TimeoutError):
        searcher.run(search, pace)
    assert searcher.run(search).predictions
    if searcher.engine_name == "numpy":
        monkeypatch.setattr(fuzzy, "MAX_ALIKE", 1 << 10)
    elif "KATO_TEST_ENGINE" not in os.environ:
        pytest.skip("only test builds of the compiled engine have a small bound")
    many = tuple(f"a{number}" for number in range(20))
    with pytest.raises(MatchingBudgetError, match="pairs of symbols are alike enough to match"):
        searcher.run(searcher.search(fold.reading(), (many,), genes, EVERYTHING))


def test_a_prediction_without_details_has_no_anomalies(searcher: PatternSearcher) -> None:
    fold = learned(Fold(searcher.new_index()), flat("apple banana cherry"))
    genes, state = Genes(fuzzy_token_threshold=0.8), ("aple", "banana")
    (plain,) = searched(searcher, fold, state, genes, Details()).predictions
    (with_all,) = searched(searcher, fold, state, genes, EVERYTHING).predictions
    assert plain == replace(with_all, later=None)
    assert plain.matches == state
