"""The fold of a knowledge log, compared with a model that recounts the whole history."""

import sys
from collections import Counter

import bson
from hypothesis import given
from hypothesis import strategies as st

from kato_service.domain.affinity import AFFINITY_BYTES
from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.domain.sizes import EMOTIVE_BYTES, emotives_bytes, merged_metadata
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import Clear, Delete, Entry, Learn, Update
from kato_service.knowledge.stores.view_documents import encoded_view
from kato_service.processing.limits import MAX_LEARNED_EMOTIVES_BYTES

EVENTS = (
    (("a",), ("b",)),
    (("a", "a", "b"),),
    (("",), ("$", ".")),
)
events = st.sampled_from(EVENTS)
names = events.map(pattern_name)
emotives = st.dictionaries(st.sampled_from(["joy", "a.b", "$"]), st.floats(-1, 1), max_size=2)
metadata = st.dictionaries(st.sampled_from("km"), st.tuples(st.sampled_from(["1", '"x"'])))


@st.composite
def learns(draw: st.DrawFn) -> Learn:
    what = draw(events)
    how = draw(st.none() | emotives)
    return Learn("", pattern_name(what), what, how, draw(st.integers(1, 3)), draw(metadata))


updates = st.builds(
    Update,
    st.just(""),
    names,
    st.none() | st.integers(0, 9),
    st.none() | st.lists(emotives, max_size=3).map(tuple),
)
entries = st.one_of(
    learns(), learns(), learns(), updates, st.builds(Delete, st.just(""), names), st.just(Clear(""))
)


def folded(history: list[Entry]) -> Fold:
    fold = Fold(PlainPatterns())
    for revision, entry in enumerate(history, start=1):
        fold.apply(revision, entry)
    return fold


def felt_in(learned: list[Learn]) -> dict[str, float]:
    """By emotive, the plain sum of what the learns brought."""
    sums: dict[str, float] = {}
    for entry in learned:
        for key, value in (entry.emotives or {}).items():
            sums[key] = sums.get(key, 0.0) + value
    return sums


def recounted(history: list[Entry], name: str) -> Pattern | None:
    """The pattern of that name, computed from the definition alone."""
    since_clear = max((r for r, e in enumerate(history) if isinstance(e, Clear)), default=-1) + 1
    mine = [
        (revision, entry)
        for revision, entry in enumerate(history, start=1)
        if revision > since_clear and not isinstance(entry, Clear) and entry.name == name
    ]
    deletes = [revision for revision, entry in mine if isinstance(entry, Delete)]
    alive = [(r, e) for r, e in mine if r > max(deletes, default=0)]
    learned = [(revision, entry) for revision, entry in alive if isinstance(entry, Learn)]
    if not learned:
        return None
    frequency, window, texts = 0, (), {}
    for entry in [entry for revision, entry in alive if revision >= learned[0][0]]:
        if isinstance(entry, Update):
            frequency = frequency if entry.frequency is None else entry.frequency
            window = window if entry.emotives is None else entry.emotives
        elif isinstance(entry, Learn):
            frequency += 1
            if entry.emotives is not None:
                window = (*window, entry.emotives)[-entry.persistence :]
            for key, values in entry.metadata.items():
                texts[key] = tuple(dict.fromkeys((*texts.get(key, ()), *values)))
    return Pattern(
        name=name,
        events=learned[0][1].events,
        frequency=frequency,
        learns=sum(isinstance(entry, Learn) for _, entry in mine),
        emotives=window,
        metadata=texts,
        affinity=felt_in([entry for _, entry in mine if isinstance(entry, Learn)]),
        first=learned[0][0],
        revision=alive[-1][0],
    )


@given(st.lists(entries, max_size=25))
def test_patterns_match_a_recount_of_the_history(history: list[Entry]) -> None:
    fold = folded(history)
    expected = {pattern_name(what): recounted(history, pattern_name(what)) for what in EVENTS}
    assert fold.patterns == {name: pattern for name, pattern in expected.items() if pattern}
    assert fold.index.patterns == fold.patterns  # type: ignore[attr-defined]  # PlainPatterns


@given(st.lists(entries, max_size=25))
def test_statistics_are_sums_over_every_learn_since_the_last_clear(history: list[Entry]) -> None:
    fold = folded(history)
    cleared = max((r for r, e in enumerate(history, 1) if isinstance(e, Clear)), default=0)
    learned = [flatten(e.events) for e in history[cleared:] if isinstance(e, Learn)]
    statistics = fold.statistics
    assert fold.cleared == cleared
    assert statistics.symbol_frequency == Counter(s for symbols in learned for s in symbols)
    assert statistics.pattern_member_frequency == Counter(s for each in learned for s in set(each))
    assert statistics.total_learns == len(learned)
    assert statistics.total_symbols == sum(map(len, learned))
    assert statistics.total_distinct_symbols == sum(len(set(symbols)) for symbols in learned)


@given(st.lists(entries, max_size=25))
def test_pages_hold_every_pattern_once_in_first_learned_order(history: list[Entry]) -> None:
    reading = folded(history).reading()
    names: list[str] = []
    after, more = 0, True
    while more:
        page = reading.page(after=after, limit=1)
        names += [pattern.name for pattern in page.patterns]
        after, more = max((pattern.first for pattern in page.patterns), default=0), page.more
    assert names == sorted(reading.patterns, key=lambda name: reading.patterns[name].first)


@given(st.lists(entries, max_size=25))
def test_frequencies_are_those_at_the_revision_of_the_entry(history: list[Entry]) -> None:
    fold = Fold(PlainPatterns())
    for revision, entry in enumerate(history, start=1):
        applied = fold.apply(revision, entry)
        assert applied.revision == fold.revision == revision
        if not isinstance(entry, Clear):
            pattern = recounted(history[:revision], entry.name)
            assert applied.frequency == (pattern.frequency if pattern else 0)


@given(st.lists(entries, max_size=25))
def test_a_deleted_pattern_keeps_its_affinity(history: list[Entry]) -> None:
    fold = folded(history)
    cleared = max((r for r, e in enumerate(history, 1) if isinstance(e, Clear)), default=0)
    for name, tombstone in fold.tombstones.items():
        rest = history[cleared:]
        mine = [entry for entry in rest if isinstance(entry, Learn) and entry.name == name]
        assert tombstone.affinity == felt_in(mine)


def test_a_sum_that_is_back_at_0_stays() -> None:
    what = EVENTS[0]
    learned = [Learn("", pattern_name(what), what, {"joy": value}, 5) for value in (1.5, -1.5)]
    (pattern,) = folded([*learned]).patterns.values()
    assert pattern.affinity == {"joy": 0.0}


def test_names_of_an_affinity_are_bounded_and_known_ones_go_on() -> None:
    what, long = EVENTS[0], "n" * 1000
    many = {f"{long}{number}": 1.0 for number in range(AFFINITY_BYTES // 1000)}
    history: list[Entry] = [
        Learn("", pattern_name(what), what, felt, 5) for felt in ({"joy": 1.0}, many, {"joy": 2.0})
    ]
    (pattern,) = folded(history).patterns.values()
    assert pattern.affinity["joy"] == 3.0
    names = list(many)[: len(pattern.affinity) - 1]
    assert list(pattern.affinity) == ["joy", *names]
    assert AFFINITY_BYTES - 1100 < emotives_bytes(pattern.affinity) <= AFFINITY_BYTES


def test_sums_of_an_affinity_stay_finite() -> None:
    what = EVENTS[0]
    history: list[Entry] = [
        Learn("", pattern_name(what), what, {"joy": 1.7e308}, 5) for _ in range(3)
    ]
    (pattern,) = folded(history).patterns.values()
    assert pattern.affinity == {"joy": sys.float_info.max}


def test_the_window_matches_the_worked_example() -> None:
    what = (("x",), ("x", "y"))
    history: list[Entry] = [
        Learn("", pattern_name(what), what, {"joy": run + 0.5}, persistence=3) for run in range(5)
    ]
    fold = folded(history)
    pattern = fold.patterns[pattern_name(what)]
    assert pattern.emotives == ({"joy": 2.5}, {"joy": 3.5}, {"joy": 4.5})
    assert (pattern.frequency, fold.statistics.pattern_member_frequency["x"]) == (5, 5)
    totals = fold.statistics
    assert (totals.total_learns, totals.total_symbols, totals.total_distinct_symbols) == (5, 15, 10)


def test_an_empty_map_takes_a_place_in_the_window_and_no_map_does_not() -> None:
    what = (("a",), ("b",))
    learn = Learn("", pattern_name(what), what, {}, persistence=2)
    silent = Learn("", pattern_name(what), what, None, persistence=1)
    assert folded([learn, learn, silent]).patterns[learn.name].emotives == ({}, {})


def test_metadata_beyond_the_limit_is_dropped_value_by_value() -> None:
    known = merged_metadata({}, {"key": ('"1234"', '"12345678"')}, limit_bytes=12)
    assert known == {"key": ('"1234"',)}
    assert merged_metadata(known, {"key": ('"é"',), "k": ("1",)}, limit_bytes=12) == {
        "key": ('"1234"',),
        "k": ("1",),
    }


def test_a_page_after_a_deleted_pattern_continues_where_it_was() -> None:
    learned = [Learn("", str(n), ((str(n), "x"),), None, 5) for n in range(4)]
    reading = folded([*learned, Delete("", "1")]).reading()
    assert [pattern.name for pattern in reading.page(after=2, limit=9).patterns] == ["2", "3"]
    relearned = folded([*learned, Delete("", "1"), learned[1]]).reading()
    assert [pattern.name for pattern in relearned.page(after=2, limit=9).patterns] == [
        "2",
        "3",
        "1",
    ]


def test_a_page_of_large_patterns_ends_before_its_limit() -> None:
    events = tuple((f"{number}", "y" * 100) for number in range(30_000))
    learned = [Learn("", str(n), ((str(n),), *events), None, 5) for n in range(5)]
    reading = folded(learned).reading()
    first = reading.page(after=0, limit=9)
    assert ([pattern.name for pattern in first.patterns], first.more) == (["0", "1"], True)
    last = reading.page(after=first.patterns[-1].first, limit=9)
    assert ([pattern.name for pattern in last.patterns], last.more) == (["2", "3"], True)
    whole = reading.page(after=last.patterns[-1].first, limit=1)
    assert ([pattern.name for pattern in whole.patterns], whole.more) == (["4"], False)


def test_the_view_of_a_pattern_with_the_largest_emotives_fits_into_a_document_of_mongodb() -> None:
    """A view that does not fit would stop the checkpoint of its knowledge base for good."""
    events = (("a",), ("b",))
    fold = Fold(PlainPatterns())
    largest = MAX_LEARNED_EMOTIVES_BYTES // (4 * 256 + EMOTIVE_BYTES)
    for revision, count in enumerate((largest, largest, largest, 1), start=1):
        emotives = {f"{number:06}{'🙂' * 254}": float(revision) for number in range(count)}
        fold.apply(revision, Learn("", pattern_name(events), events, emotives, 100))
    view = fold.known(pattern_name(events))
    assert view is not None
    assert [set(each.values()) for each in view.pattern.emotives] == [{3.0}, {4.0}]
    assert len(bson.encode(encoded_view("kato", view))) < 12 * 2**20
