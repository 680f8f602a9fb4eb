"""What later clients are given, by both engines, compared with a search of every pattern."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines import ALPHABETS, THRESHOLDS, History, match_of

from kato_service.domain.affinity import affinities
from kato_service.domain.genes import RANK_KEYS, Genes, RankKey
from kato_service.domain.later_metrics import MAX_FUTURES
from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Delete, Learn
from kato_service.search.matching import Details, Found, Wanted
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_later import Knowledge, found_later

EVERYTHING = Details(later=True, futures=True)


def exhaustive(fold: Fold, state: tuple[str, ...], genes: Genes, details: Details) -> Found:
    """What a search finds that aligns and scores every pattern."""
    matches = [match_of(pattern, state) for pattern in fold.patterns.values()]
    if len(state) == 1:
        kept = [match for match in matches if match.matched]
    else:
        kept = [match for match in matches if match.similarity >= genes.recall_threshold]
    emotive = genes.affinity_emotive
    is_null = emotive is None and genes.rank_sort_algo.startswith("weighted_")
    wanted = Wanted(
        later=details.later,
        futures=details.futures,
        rank_by="potential" if is_null else genes.rank_sort_algo,
        in_first_event=len(state) == 1,
        affinity_emotive=emotive,
    )

    def holders(_symbols: Iterable[str]) -> Counter[str]:
        return Counter(s for one in fold.patterns.values() for s in set(flatten(one.events)))

    weighing = None if emotive is None else affinity_of(fold, emotive)
    known = Knowledge(fold.statistics, len(fold.patterns), holders, weighing)
    return found_later(kept, state, known, wanted, limit=genes.max_predictions)


def felt(fold: Fold) -> Iterator[Pattern]:
    """All patterns in the order in which their affinities are added."""
    yield from fold.patterns.values()
    yield from (fold.tombstones[name] for name in sorted(fold.tombstones))


def affinity_of(fold: Fold, emotive: str) -> dict[str, float]:
    """By symbol, its affinity for the emotive."""
    sums = affinities(felt(fold))
    return {symbol: of[emotive] for symbol, of in sums.items() if emotive in of}


def searched(
    searcher: PatternSearcher, fold: Fold, state: tuple[str, ...], genes: Genes, details: Details
) -> Found:
    return searcher.run(searcher.search(fold.reading(), (state,), genes, details))


def compared(searcher: PatternSearcher, history: History, *, learns: int, state: int) -> None:
    plain, fold = Fold(PlainPatterns()), Fold(searcher.new_index())
    rng = history.rng
    for revision, entry in enumerate(history.entries(learns), start=1):
        fold.apply(revision, entry)
        plain.apply(revision, entry)
        if rng.random() < 0.2:
            asked = history.state(state)[: 1 if rng.random() < 0.2 else state]
            genes = Genes(
                recall_threshold=rng.choice(THRESHOLDS),
                max_predictions=rng.choice((1, 2, 5, 1000)),
                rank_sort_algo=rng.choice(RANK_KEYS),
                single_symbol_predictions=True,
                affinity_emotive=rng.choice((None, "joy", "joy", "nobody's")),
            )
            details = Details(later=rng.random() < 0.8, futures=rng.random() < 0.8)
            given = searched(searcher, fold, asked, genes, details)
            assert given == exhaustive(plain, asked, genes, details)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(ALPHABETS), st.sampled_from((3, 9, 30)))
def test_everything_equals_an_exhaustive_search(
    searcher: PatternSearcher, seed: int, alphabet: Sequence[str], longest: int
) -> None:
    history = History(random.Random(seed), alphabet, longest)
    compared(searcher, history, learns=80, state=2 * longest)


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_everything_of_long_states_equals_an_exhaustive_search(
    searcher: PatternSearcher, seed: int
) -> None:
    history = History(random.Random(seed), "abcdefgh", 150)
    compared(searcher, history, learns=30, state=700)


def test_hundreds_of_patterns_are_ranked_by_any_field(searcher: PatternSearcher) -> None:
    rng = random.Random(7)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    names = []
    for revision in range(1, 701):
        events = tuple(tuple(rng.choices("abcdefghijkl", k=2)) for _ in range(rng.randint(1, 4)))
        names.append(pattern_name(events))
        entry = Learn("", names[-1], events, {"joy": rng.uniform(-1, 1)}, 5)
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    for revision, name in enumerate(sorted(set(rng.sample(names, 200))), start=701):
        fold.apply(revision, Delete("", name))
        plain.apply(revision, Delete("", name))
    state = tuple("abcdab")
    for rank_by in get_args(RankKey):
        genes = Genes(rank_sort_algo=rank_by, max_predictions=50, affinity_emotive="joy")
        given = searched(searcher, fold, state, genes, EVERYTHING)
        assert given == exhaustive(plain, state, genes, EVERYTHING), rank_by
        assert len(given.predictions) == 50
        assert len(given.future_potentials) > 100


def test_ranking_by_another_field_changes_no_value(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    history = History(random.Random(8), "abcdef", 9)
    for revision, entry in enumerate(history.entries(200), start=1):
        fold.apply(revision, entry)
    state = tuple("abcdef")
    genes = Genes(max_predictions=1000, affinity_emotive="joy")
    by_potential = searched(searcher, fold, state, genes, EVERYTHING)
    assert len(by_potential.predictions) > 20
    for rank_by in get_args(RankKey):
        genes = replace(genes, rank_sort_algo=rank_by)
        found = searched(searcher, fold, state, genes, EVERYTHING)
        assert found.future_potentials == by_potential.future_potentials
        assert Counter(one.name for one in found.predictions) == Counter(
            one.name for one in by_potential.predictions
        )
        assert {one.name: one for one in found.predictions} == {
            one.name: one for one in by_potential.predictions
        }


def test_a_plain_search_is_that_of_before(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    history = History(random.Random(9), "abcdef", 9)
    for revision, entry in enumerate(history.entries(100), start=1):
        fold.apply(revision, entry)
    state = tuple("abcdef")
    plain = searched(searcher, fold, state, Genes(), Details())
    with_all = searched(searcher, fold, state, Genes(), EVERYTHING)
    assert plain.predictions == tuple(replace(one, later=None) for one in with_all.predictions)
    assert plain.future_potentials == ()


def test_one_symbol_predicts_only_where_the_gene_says_so(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    for revision, events in enumerate(((("b", "a"), ("c",)), (("x",), ("a",))), start=1):
        fold.apply(revision, Learn("", pattern_name(events), events, None, 5))
    on = Genes(recall_threshold=1.0, single_symbol_predictions=True)
    assert searched(searcher, fold, ("a",), Genes(recall_threshold=0.0), Details()) == Found()
    (found,) = searched(searcher, fold, ("a",), on, Details()).predictions
    assert (found.past, found.present, found.future) == ((), (("b", "a"),), (("c",),))
    assert (found.missing, found.extras, found.similarity) == (("b",), (), 0.5)
    assert searched(searcher, fold, (), on, Details()) == Found()


def test_an_answer_lists_the_best_futures_up_to_a_bound(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    for number in range(1, MAX_FUTURES + 3):
        events = (("a",), ("b",), (f"n{number}",))
        frequency = 2 if number == MAX_FUTURES + 2 else 1
        for revision in range(frequency):
            entry = Learn("", pattern_name(events), events, None, 5)
            fold.apply(number + revision, entry)
    found = searched(searcher, fold, ("a", "b"), Genes(max_predictions=1), EVERYTHING)
    assert len(found.future_potentials) == MAX_FUTURES
    assert found.future_potentials[0].future == ((f"n{MAX_FUTURES + 2}",),)
    assert found.future_potentials[0].supporting_patterns == 1
    assert found.future_potentials[1].future == (("n1",),)
