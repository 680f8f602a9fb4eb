"""What comes next, offsets and explanations, by both engines, compared with plain arithmetic."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines import ALPHABETS, THRESHOLDS, History, match_of
from test_engines_fuzzy import LIKENESSES, WORDS
from test_engines_fuzzy import match_of as fuzzy_match_of
from test_golden_later import GENES, Case, _cases, _fold

from kato_service.domain.alignment import aligned
from kato_service.domain.answers.explanation import Nearest
from kato_service.domain.answers.next_events import NAMES_BEHIND, Next
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Event, Pattern, flatten, pattern_name
from kato_service.domain.prediction_metrics import potential
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Learn
from kato_service.search.matching import Details, Found
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.search.plain_ranking import Match

Row = tuple[object, float, int, tuple[str, ...]]


def searched(
    searcher: PatternSearcher, fold: Fold, state: tuple[str, ...], genes: Genes, details: Details
) -> Found:
    return searcher.run(searcher.search(fold.reading(), (state,), genes, details))


def kept_of(plain: Fold, state: tuple[str, ...], genes: Genes) -> list[Pattern]:
    """The patterns that difflib finds similar enough, in order of first learns."""
    kept = []
    for pattern in plain.patterns.values():
        match = match_of(pattern, state)
        if len(state) == 1:
            is_kept = state[0] in pattern.events[0]
        else:
            is_kept = match.similarity >= genes.recall_threshold
        if is_kept:
            kept.append(pattern)
    return kept


def expected_next(kept: Sequence[Pattern], state: tuple[str, ...]) -> tuple[list[Row], ...]:
    """Events, symbols and the stop, by sums that this test makes itself."""
    members: tuple[dict[object, list[tuple[float, str]]], ...] = ({}, {}, {})
    first_event: dict[object, Event] = {}
    whole = 0.0
    for pattern in kept:
        match = match_of(pattern, state)
        if not match.blocks:
            continue
        weight = pattern.frequency * match.similarity
        whole += weight
        future = aligned(pattern.events, state, match.blocks).future
        if not future:
            members[2].setdefault(None, []).append((weight, pattern.name))
            continue
        event = frozenset(Counter(future[0]).items())
        first_event.setdefault(event, future[0])
        members[0].setdefault(event, []).append((weight, pattern.name))
        for symbol in dict.fromkeys(future[0]):
            members[1].setdefault(symbol, []).append((weight, pattern.name))
    if not whole:
        return [], [], [(None, 0.0, 0, ())]
    lists = []
    for found in members:
        rows: list[Row] = []
        for value, behind in found.items():
            total = 0.0
            for weight, _ in behind:
                total += weight
            heaviest = sorted(behind, key=lambda one: -one[0])[:NAMES_BEHIND]
            shown = first_event.get(value, value)
            names = tuple(name for _, name in heaviest)
            rows.append((shown, round(total / whole, 12), len(behind), names))
        lists.append(sorted(rows, key=lambda row: -row[1]))
    lists[2] = lists[2] or [(None, 0.0, 0, ())]
    return tuple(lists)


def rows(found: Next) -> tuple[list[Row], ...]:
    each = (found.events, found.symbols, (found.stop,))
    return tuple(
        [(one.value, one.weight, one.patterns, one.names) for one in part] for part in each
    )


def compare_often(
    searcher: PatternSearcher, history: History, *, learns: int, longest: int
) -> None:
    """Compare after every few learns."""
    plain, fold = Fold(PlainPatterns()), Fold(searcher.new_index())
    rng = history.rng
    for revision, entry in enumerate(history.entries(learns), start=1):
        fold.apply(revision, entry)
        plain.apply(revision, entry)
        if rng.random() < 0.15 or revision == learns:
            state = history.state(longest)[: 1 if rng.random() < 0.2 else longest]
            genes = Genes(
                recall_threshold=rng.choice(THRESHOLDS),
                max_predictions=rng.choice((1, 2, 5, 1000)),
                single_symbol_predictions=True,
                affinity_emotive=rng.choice((None, "joy")),
            )
            compared(searcher, fold, plain, state, genes, rng)


def compared(  # everything that one question depends on
    searcher: PatternSearcher,
    fold: Fold,
    plain: Fold,
    state: tuple[str, ...],
    genes: Genes,
    rng: random.Random,
) -> None:
    kept = kept_of(plain, state, genes)
    _compare_next(searcher, fold, state, genes, kept, rng.choice((0, 0, 1, 3)))
    _compare_around(searcher, fold, plain, state, genes, kept)
    _compare_offset(searcher, fold, state, genes, rng.choice((0, 1, 4, 50)))


def _compare_next(
    searcher: PatternSearcher,
    fold: Fold,
    state: tuple[str, ...],
    genes: Genes,
    kept: Sequence[Pattern],
    offset: int,
) -> None:
    given = searched(searcher, fold, state, genes, Details(next=True, offset=offset))
    assert given.kept == len(kept)
    assert given.predictions == ()
    assert given.next is not None
    events, symbols, stop = expected_next(kept, state)
    part = slice(offset, offset + genes.max_predictions)
    assert rows(given.next) == (events[part], symbols[part], stop)
    assert (given.next.event_count, given.next.symbol_count) == (len(events), len(symbols))
    everything = sum(row[1] for row in events) + stop[0][1]
    assert everything == pytest.approx(1.0 if events or stop[0][2] else 0.0, abs=1e-9)


def _compare_around(
    searcher: PatternSearcher,
    fold: Fold,
    plain: Fold,
    state: tuple[str, ...],
    genes: Genes,
    kept: Sequence[Pattern],
) -> None:
    usual = searched(searcher, fold, state, genes, Details())
    given = searched(searcher, fold, state, genes, Details(explain=True))
    without = tuple(replace(one, explanation=None) for one in given.predictions)
    assert (without, given.kept) == (usual.predictions, len(kept))
    assert given.around is not None
    sharing = [one for one in plain.patterns.values() if set(flatten(one.events)) & set(state)]
    assert (given.around.patterns, given.around.sharing) == (len(plain.patterns), len(sharing))
    alike = [(match_of(one, state).similarity, one.name) for one in sharing]
    below = [one for one in alike if len(state) > 1 and one[0] < genes.recall_threshold]
    best = max(below, key=lambda one: one[0], default=None)
    assert given.around.nearest == (best and Nearest(best[1], best[0]))
    for one in given.predictions:
        how = one.explanation
        assert how is not None
        symbols = flatten(one.sequence)
        for first, start, size in how.blocks:
            assert symbols[first : first + size] == state[start : start + size]
        match = match_of(plain.patterns[one.name], state)
        assert how.blocks == match.blocks
        for block, shown in zip(how.blocks, how.located, strict=True):
            place = shown["pattern"]
            before = sum(map(len, one.sequence[: place["event"]]))
            assert before + place["symbol"] == block[0]
            assert place["symbol"] < len(one.sequence[place["event"]])
            assert (shown["stm"], shown["size"]) == ({"event": 0, "symbol": block[1]}, block[2])
            assert shown["symbols"] == state[block[1] : block[1] + block[2]]
        shares = how.evidence + how.confidence
        assert one.potential == potential(shares, how.snr, one.itfdf_similarity, len(how.blocks))


def _compare_offset(
    searcher: PatternSearcher, fold: Fold, state: tuple[str, ...], genes: Genes, offset: int
) -> None:
    longer = replace(genes, max_predictions=genes.max_predictions + offset)
    whole = searched(searcher, fold, state, longer, Details(later=True))
    part = searched(searcher, fold, state, genes, Details(later=True, offset=offset))
    assert part.predictions == whole.predictions[offset:]
    assert part.kept == whole.kept
    plain_part = searched(searcher, fold, state, genes, Details(offset=offset))
    names = [one.name for one in part.predictions]
    assert [one.name for one in plain_part.predictions] == names


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(ALPHABETS), st.sampled_from((3, 9, 30)))
def test_answers_equal_those_of_plain_arithmetic(
    searcher: PatternSearcher, seed: int, alphabet: Sequence[str], longest: int
) -> None:
    history = History(random.Random(seed), alphabet, longest)
    compare_often(searcher, history, learns=60, longest=2 * longest)


@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_answers_for_long_states_equal_those_of_plain_arithmetic(
    searcher: PatternSearcher, seed: int
) -> None:
    history = History(random.Random(seed), "abcdefgh", 150)
    compare_often(searcher, history, learns=20, longest=700)


def test_hundreds_of_patterns_are_summed(searcher: PatternSearcher) -> None:
    rng = random.Random(7)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    for revision in range(1, 1501):
        events = tuple(tuple(rng.choices("abcdefghijkl", k=2)) for _ in range(rng.randint(1, 4)))
        entry = Learn("", pattern_name(events), events, {}, 5)
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    for threshold in (0.0, 0.1, 0.5, 0.9):
        genes = Genes(recall_threshold=threshold, max_predictions=30)
        compared(searcher, fold, plain, tuple("abcdab"), genes, rng)


def test_what_was_never_counted_says_nothing(searcher: PatternSearcher) -> None:
    fold = Fold(searcher.new_index())
    assert searched(searcher, fold, ("a", "b"), Genes(), Details(next=True)).next == Next()
    assert searched(searcher, fold, (), Genes(), Details(next=True)).next == Next()


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case["id"])) for case in _cases()[::7]])
def test_next_events_are_the_marginals_of_golden_futures(
    case: Case, searcher: PatternSearcher
) -> None:
    given_genes = {name: value for name, value in case["config"].items() if name in GENES}
    genes = Genes(sort_symbols=case["config"]["sort"], **given_genes | {"max_predictions": 10_000})
    stm = tuple(map(tuple, case["stm"]))
    search = searcher.search(_fold(case, genes, searcher).reading(), stm, genes, Details(next=True))
    found = searcher.run(search).next
    assert found is not None
    sums: Counter[tuple[str, ...]] = Counter()
    for one in case["future_potentials"]:
        sums[tuple(sorted(one["future"][0]))] += one["aggregate_potential"]
    ending = 1.0 - found.stop.weight if sums else 0.0
    given = {tuple(sorted(one.value)): one.weight for one in found.events}
    assert given == pytest.approx({each: ending * share for each, share in sums.items()}, abs=1e-9)
    for symbol in found.symbols:
        holding = sum(one.weight for one in found.events if symbol.value in one.value)
        assert symbol.weight == pytest.approx(holding, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(LIKENESSES), st.sampled_from(THRESHOLDS))
def test_what_is_spelled_alike_counts_as_shared(
    searcher: PatternSearcher, seed: int, least: float, threshold: float
) -> None:
    rng = random.Random(seed)
    history = History(rng, rng.sample(WORDS, 9), 6)
    fold, plain = Fold(searcher.new_index()), Fold(PlainPatterns())
    for revision, entry in enumerate(history.entries(30), start=1):
        fold.apply(revision, entry)
        plain.apply(revision, entry)
    state = history.state(8)
    genes = Genes(fuzzy_token_threshold=least, recall_threshold=threshold, max_predictions=1000)
    matches = [fuzzy_match_of(one, state, least) for one in plain.patterns.values()]
    kept = [one for one in matches if one.similarity >= threshold]
    below = [one for one in matches if one.matched and one.similarity < threshold]
    nearest = max(below, key=lambda one: one.similarity, default=None)
    given = searched(searcher, fold, state, genes, Details(explain=True))
    assert given.kept == len(kept)
    assert given.around is not None
    assert given.around.sharing == sum(1 for one in matches if one.matched)
    found = given.around.nearest
    assert (found and (found.name, found.similarity)) == (
        nearest and (nearest.pattern.name, nearest.similarity)
    )
    blocks = {one.pattern.name: one.blocks for one in kept}
    for one in given.predictions:
        assert one.explanation is not None
        assert one.explanation.blocks == blocks[one.name]
    told = searched(searcher, fold, state, genes, Details(next=True)).next
    assert told is not None
    stop = sum(one.pattern.frequency * one.similarity for one in kept if _ends(one, state))
    whole = sum(one.pattern.frequency * one.similarity for one in kept if one.matched)
    assert told.stop.weight == pytest.approx(stop / whole if whole else 0.0, abs=1e-9)


def _ends(match: Match, state: tuple[str, ...]) -> bool:
    alignment = aligned(match.pattern.events, state, match.blocks, match.respelled)
    return bool(match.blocks) and not alignment.future
