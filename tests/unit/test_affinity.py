"""The affinity of symbols: every way to the same knowledge gives the same doubles."""

import random
from collections.abc import Iterable
from typing import cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines import History
from test_engines_later import EVERYTHING, felt, searched

from kato_service.domain.affinity import affinities, symbol_weight
from kato_service.domain.genes import RANK_KEYS, Genes
from kato_service.domain.pattern import flatten, pattern_name
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Import, Learn, Update
from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.snapshots.fold_pieces import fold_pieces, restore_fold
from kato_service.knowledge.stores.view_documents import decoded_view, encoded_view
from kato_service.processing.symbol_operations import (
    PAGE_LIMITS,
    PageLimits,
    _affinities,
    _counts,
)
from kato_service.search.matching import MatchingIndex, Wanted
from kato_service.search.pace import Pace
from kato_service.search.pattern_searcher import PatternSearcher

A, B, C = (("a",), ("b",)), (("a",), ("c",)), (("b", "b"), ("d",))
EMOTIVES = ("joy", "pain", "énergie")


def learn(events: tuple[tuple[str, ...], ...], **emotives: float) -> Learn:
    return Learn("", pattern_name(events), events, emotives or None, 5)


def filled(fold: Fold, entries: Iterable[Entry]) -> Fold:
    for revision, entry in enumerate(entries, start=fold.revision + 1):
        fold.apply(revision, entry)
    return fold


def index_of(fold: Fold) -> MatchingIndex:
    return cast(MatchingIndex, fold.index)


def felt_history(seed: int) -> list[Entry]:
    """A random history whose learns bring several emotives, so that orders of additions matter."""
    history = History(random.Random(seed), "abcdef", 6)
    rng = random.Random(seed + 1)
    entries: list[Entry] = []
    for entry in history.entries(80):
        if isinstance(entry, Learn) and rng.random() < 0.7:
            some = rng.sample(EMOTIVES, rng.randint(1, 3))
            brought = {name: rng.uniform(-1e3, 1e3) ** 3 for name in some}
            entry = Learn("", entry.name, entry.events, brought, 3)
        entries.append(entry)
    return entries


def through_views(fold: Fold, searcher: PatternSearcher) -> Fold:
    """A fold that loads what *fold* would store."""
    views = [PatternView(pattern) for pattern in fold.patterns.values()]
    views += [PatternView(tombstone, deleted=True) for tombstone in fold.tombstones.values()]
    views.sort(key=lambda view: view.pattern.name)
    texts = tuple(orjson.dumps(encoded_view("kb", view)) for view in views)
    loaded = Fold(searcher.new_index())
    loader = loaded.index.loader()
    sifted = loader.sift(StoredViews(texts, is_bson=False), cleared=0, checkpoint=10**6)
    loader.add_extras(decoded_view(orjson.loads(text)).pattern for text in sifted.with_extras)
    loaded.restore((decoded_view(orjson.loads(text)) for text in sifted.left), loader)
    loader.finish()
    return loaded


def through_a_snapshot(fold: Fold, searcher: PatternSearcher) -> Fold | None:
    pieces = fold_pieces(fold)
    if pieces is None:
        return None
    restored = Fold(searcher.new_index())
    restore_fold(restored, pieces)
    return restored


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_loaded_folds_answer_as_the_replayed_one(searcher: PatternSearcher, seed: int) -> None:
    fold = filled(Fold(searcher.new_index()), felt_history(seed))
    expected = affinities(felt(fold))
    assert affinities(index_of(fold).felt()) == expected
    genes = Genes(recall_threshold=0.0, affinity_emotive="joy", max_predictions=1000)
    answer = searched(searcher, fold, tuple("abcdef"), genes, EVERYTHING)
    for other in (through_views(fold, searcher), through_a_snapshot(fold, searcher)):
        if other is not None:
            assert affinities(index_of(other).felt()) == expected
            assert searched(searcher, other, tuple("abcdef"), genes, EVERYTHING) == answer


def test_the_worked_example(searcher: PatternSearcher) -> None:
    entries = [learn((("a",), ("b",), ("c",)), joy=-1.0), learn((("a",), ("d",), ("e",)))]
    fold = filled(Fold(searcher.new_index()), entries)
    first = searched(searcher, fold, ("a", "b"), Genes(affinity_emotive="joy"), EVERYTHING)
    found = first.predictions[0]
    assert found.potential == 3.600790513834
    assert found.weighted is not None
    assert found.weighted.weighted_similarity == 0.750617283951
    assert found.weighted.weighted_evidence == 0.600790513834


def test_an_emotive_that_nobody_has_leaves_all_but_snr(searcher: PatternSearcher) -> None:
    fold = filled(Fold(searcher.new_index()), felt_history(3))
    genes = Genes(recall_threshold=0.0, affinity_emotive="nobody's", max_predictions=1000)
    found = searched(searcher, fold, tuple("abx"), genes, EVERYTHING).predictions
    assert found
    for one in found:
        assert one.weighted is not None
        assert one.weighted.weighted_evidence == pytest.approx(one.evidence)
        assert one.weighted.weighted_confidence == pytest.approx(one.confidence)
        assert one.weighted.weighted_similarity == pytest.approx(one.similarity)


def test_weights_change_no_field_but_the_potential(searcher: PatternSearcher) -> None:
    fold = filled(Fold(searcher.new_index()), felt_history(5))
    state = tuple("abcab")
    plain = searched(searcher, fold, state, Genes(max_predictions=1000), EVERYTHING)
    for rank_by in RANK_KEYS:
        genes = Genes(max_predictions=1000, affinity_emotive="joy", rank_sort_algo=rank_by)
        weighed = searched(searcher, fold, state, genes, EVERYTHING)
        by_name = {one.name: one for one in plain.predictions}
        assert {one.name for one in weighed.predictions} == set(by_name)
        assert weighed.future_potentials == plain.future_potentials
        for one in weighed.predictions:
            assert one.later == by_name[one.name].later
            assert one.similarity == by_name[one.name].similarity


def test_a_copy_weighs_by_what_it_was_made_of(searcher: PatternSearcher) -> None:
    """Also if the index changes before the copy has summed anything up."""
    fold = filled(Fold(searcher.new_index()), [learn(A, joy=1.0), learn(B, joy=0.25), learn(C)])
    frozen = index_of(fold).frozen(weighs=True)
    if frozen is None:
        pytest.skip("this engine has no copies")
    wanted = Wanted(later=True, affinity_emotive="joy")

    def answer() -> object:
        return frozen.found(("a", "b"), wanted, threshold=0.1, limit=9)

    expected = Fold(searcher.new_index())
    filled(expected, [learn(A, joy=1.0), learn(B, joy=0.25), learn(C)])
    before = index_of(expected).found(("a", "b"), wanted, threshold=0.1, limit=9)
    changes: list[Entry] = [learn(A, joy=5.0), Delete("", pattern_name(B)), learn(C, joy=2.0)]
    filled(fold, [*changes, learn(B, joy=7.0), Clear(""), learn(A, joy=9.0)])
    assert answer() == before


@pytest.mark.parametrize(
    "change",
    [
        learn(A, joy=2.0),
        learn(B),
        learn((("new",), ("b",)), joy=1.0),
        Delete("", pattern_name(A)),
        Update("", pattern_name(A), emotives=()),
        Clear(""),
        Import("", "s", 0, pattern_name(A), A, 1, 1, affinity={"joy": 4.0}),
    ],
    ids=["learn", "learn without", "first learn", "delete", "update", "clear", "import"],
)
def test_a_query_after_a_change_sees_it(searcher: PatternSearcher, change: Entry) -> None:
    entries = [learn(A, joy=1.0), learn(B, joy=-0.5), learn(C, pain=3.0)]
    genes = Genes(recall_threshold=0.0, affinity_emotive="joy")
    fold = filled(Fold(searcher.new_index()), entries)
    searched(searcher, fold, ("a", "b"), genes, EVERYTHING)
    filled(fold, [change])
    fresh = filled(Fold(searcher.new_index()), [*entries, change])
    expected = searched(searcher, fresh, ("a", "b"), genes, EVERYTHING)
    assert searched(searcher, fold, ("a", "b"), genes, EVERYTHING) == expected


def test_huge_emotives_give_finite_fields(searcher: PatternSearcher) -> None:
    entries = [learn(A, joy=1.7e308), learn(A, joy=1.7e308), learn(B, joy=1e308), learn(C)]
    fold = filled(Fold(searcher.new_index()), entries)
    genes = Genes(recall_threshold=0.0, affinity_emotive="joy")
    for one in searched(searcher, fold, tuple("abx"), genes, EVERYTHING).predictions:
        assert one.weighted is not None
        assert 0.0 <= one.weighted.weighted_similarity <= 1.0
        assert 0.0 <= one.weighted.weighted_snr <= 1.0
        assert abs(one.potential) < 10


def test_symbols_are_listed_with_what_was_learned_and_what_holds_them(
    searcher: PatternSearcher,
) -> None:
    entries: list[Entry] = [learn(A), learn(A), learn(B), learn(C), Delete("", pattern_name(B))]
    fold = filled(Fold(searcher.new_index()), entries)
    page = _counts(None, PAGE_LIMITS, index_of(fold), Pace())
    assert [tuple(row) for row in page.rows] == [("a", 3, 1), ("b", 4, 2), ("c", 1, 0), ("d", 1, 1)]
    small = PageLimits(symbols=1)
    assert _counts("b", PAGE_LIMITS, index_of(fold), Pace()).rows == page.rows[2:]
    first = _counts("b", small, index_of(fold), Pace())
    assert (first.rows, first.more) == (page.rows[2:3], True)
    last = _counts("c", small, index_of(fold), Pace())
    assert (last.rows, last.more) == (page.rows[3:], False)


@pytest.mark.parametrize(("symbols", "sums"), [(2, 100), (100, 3), (3, 4), (1, 1)])
def test_pages_hold_every_symbol_once(searcher: PatternSearcher, symbols: int, sums: int) -> None:
    fold = filled(Fold(searcher.new_index()), felt_history(11))
    expected = affinities(felt(fold))
    assert len(expected) > 4
    limits = PageLimits(symbols, sums)
    found: dict[str, dict[str, float]] = {}
    after, more = None, True
    while more:
        page = _affinities(after, limits, index_of(fold), Pace())
        found |= page.affinities
        after, more = list(page.affinities)[-1], page.more
    assert found == expected
    assert list(found) == sorted(found)


def test_a_weight_is_the_share_of_the_occurrences() -> None:
    assert symbol_weight(-3.0, 6) == 0.51
    assert symbol_weight(3.0, 0) == symbol_weight(3.0, -1) == symbol_weight(0.0, 5) == 0.01
    assert symbol_weight(1.7e308, 1) == 1e290


def test_a_knowledge_base_without_emotives_holds_no_affinity(searcher: PatternSearcher) -> None:
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    entries = [learn(A), learn(B), learn(A)]
    filled(fold, entries)
    filled(plain, entries)
    empty = [pattern.affinity for pattern in plain.patterns.values()]
    assert all(one is empty[0] for one in empty)
    assert list(index_of(fold).felt()) == []
    assert "affinity" not in encoded_view("kb", PatternView(plain.patterns[pattern_name(A)]))
    assert set(flatten(A)) == {"a", "b"}
