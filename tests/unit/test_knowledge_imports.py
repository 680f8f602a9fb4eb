"""Imports in a fold: each part counts once and in order, and statistics are exact."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.domain.statistics import Corrections, SymbolStatistics
from kato_service.knowledge.fold.fold import MAX_FREQUENCY, MAX_IMPORTED_LEARNS, Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.entries import (
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.stores.documents import decoded, encoded
from kato_service.knowledge.stores.view_documents import encoded_view
from kato_service.portable.patterns import pattern_of
from kato_service.search.pattern_searcher import PatternSearcher

EVENTS = ((("a",), ("b",)), (("a", "a", "b"),), (("",), ("$", ".")))
emotives = st.dictionaries(st.sampled_from(["joy", "a.b", "$"]), st.floats(-1, 1), max_size=2)
metadata = st.dictionaries(st.sampled_from("km"), st.tuples(st.sampled_from(["1", '"x"'])))
counts = st.integers(-(2**40), 2**40)
corrections = st.builds(
    Corrections,
    st.dictionaries(st.sampled_from(["a", "b", "", "new"]), st.tuples(counts, counts)),
    counts,
    counts,
    counts,
)


@st.composite
def imports(draw: st.DrawFn) -> Import:
    events = draw(st.sampled_from(EVENTS))
    return Import(
        *("", draw(st.sampled_from(["one", "two"])), 0),
        *(pattern_name(events), events, draw(st.integers(0, 9)), draw(st.integers(0, 9))),
        *(tuple(draw(st.lists(emotives, max_size=3))), draw(metadata)),
    )


statistics = st.builds(
    Statistics, st.just(""), st.sampled_from(["one", "two"]), st.just(0), corrections
)
learns = st.sampled_from(EVENTS).map(lambda what: Learn("", pattern_name(what), what, None, 5))
deletes = st.sampled_from(EVENTS).map(lambda what: Delete("", pattern_name(what)))
clears = st.sampled_from([None, "one", "three"]).map(lambda source: Clear("", source=source))
changes = st.one_of(imports(), imports(), statistics, learns, deletes, clears)


def in_turn(history: list[Entry]) -> list[Entry]:
    """The same history, with parts numbered as an import numbers them."""
    parts: Counter[str] = Counter()
    numbered: list[Entry] = []
    for entry in history:
        if isinstance(entry, Clear):
            parts.clear()
        elif isinstance(entry, Import | Statistics):
            entry = replace(entry, part=parts[entry.source])
            parts[entry.source] += 1
        numbered.append(entry)
    return numbered


histories = st.lists(changes, max_size=12).map(in_turn)
few = settings(max_examples=40)


def folded(history: list[Entry], fold: Fold | None = None) -> Fold:
    fold = fold or Fold(PlainPatterns())
    for entry in history:
        fold.apply(fold.revision + 1, entry)
    return fold


def counted(statistics: SymbolStatistics) -> tuple[object, ...]:
    return (
        {symbol: count for symbol, count in statistics.pattern_member_frequency.items() if count},
        {symbol: count for symbol, count in statistics.symbol_frequency.items() if count},
        statistics.total_learns,
        statistics.total_symbols,
        statistics.total_distinct_symbols,
        statistics.distinct_symbols,
    )


def without_places(fold: Fold) -> list[Pattern]:
    return [replace(pattern, first=0, revision=0) for pattern in fold.patterns.values()]


def an_import(part: int = 0, **more: object) -> Import:
    events = EVENTS[0]
    return replace(Import("", "one", part, pattern_name(events), events, 3, 2), **more)  # type: ignore[arg-type]  # a test's shorthand


@few
@given(histories)
def test_statistics_are_sums_over_learns_and_corrections(history: list[Entry]) -> None:
    cleared = max((r for r, e in enumerate(history, 1) if isinstance(e, Clear)), default=0)
    pmf: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    totals = [0, 0, 0]
    for entry in history[cleared:]:
        if isinstance(entry, Learn | Import):
            times = entry.learns if isinstance(entry, Import) else 1
            symbols = Counter(flatten(entry.events))
            for symbol, count in symbols.items():
                pmf[symbol] += times
                occurrences[symbol] += times * count
            added = (times, times * symbols.total(), times * len(symbols))
        elif isinstance(entry, Statistics):
            wrong = entry.corrections
            for symbol, (patterns, count) in wrong.symbols.items():
                pmf[symbol] += patterns
                occurrences[symbol] += count
            added = (wrong.total_learns, wrong.total_symbols, wrong.total_distinct_symbols)
        else:
            continue
        totals = [known + more for known, more in zip(totals, added, strict=True)]
    expected = (
        {symbol: count for symbol, count in pmf.items() if count},
        {symbol: count for symbol, count in occurrences.items() if count},
        *totals,
        sum(count > 0 for count in pmf.values()),
    )
    assert counted(folded(history).statistics) == expected


@few
@given(histories)
def test_every_engine_has_the_same_counts_and_patterns(history: list[Entry]) -> None:
    plain = folded(history)
    for engine in ("c", "numpy"):
        fold = folded(history, Fold(PatternSearcher(engine).new_index()))
        assert counted(fold.statistics) == counted(plain.statistics)
        assert fold.patterns == plain.patterns


@few
@given(histories, st.randoms(use_true_random=False))
def test_a_repeated_part_changes_nothing(history: list[Entry], rng: Random) -> None:
    repeated: list[Entry] = []
    seen: list[Entry] = []
    for entry in history:
        repeated.append(entry)
        seen = [] if isinstance(entry, Clear) else seen
        seen += [entry] if isinstance(entry, Import | Statistics) else []
        repeated += rng.sample(seen, rng.randint(0, len(seen)))
    once, twice = folded(history), folded(repeated)
    assert without_places(twice) == without_places(once)
    assert counted(twice.statistics) == counted(once.statistics)
    assert (twice.imports.parts, twice.corrections) == (once.imports.parts, once.corrections)


@few
@given(histories)
def test_an_entry_is_decoded_as_it_was_encoded(history: list[Entry]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for revision, entry in enumerate(history, start=1):
        document = encoded("kato", revision, entry, now)
        assert decoded(bson.decode(bson.encode(document))) == entry
        assert not any(holds_nested_arrays(value) for value in document.values())


def holds_nested_arrays(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(holds_nested_arrays, value.values()))
    if isinstance(value, list):
        return any(isinstance(item, list) or holds_nested_arrays(item) for item in value)
    return False


def test_an_import_part_out_of_turn_changes_nothing() -> None:
    fold = Fold(PlainPatterns())
    assert not fold.apply(1, an_import(part=1)).met
    assert (len(fold.patterns), fold.statistics.total_learns) == (0, 0)
    assert fold.apply(2, an_import(part=0)).met
    assert fold.apply(3, an_import(part=1)).frequency == 6


def test_an_import_adds_to_what_was_learned() -> None:
    learn = Learn("", an_import().name, EVENTS[0], {"joy": 1.0}, 5, {"k": ("1",)})
    more = an_import(emotives=({"joy": 2.0}, {}), metadata={"k": ("1", "2")})
    (pattern,) = folded([learn, more]).patterns.values()
    assert (pattern.frequency, pattern.learns, pattern.first, pattern.revision) == (4, 3, 1, 2)
    assert pattern.emotives == ({"joy": 1.0}, {"joy": 2.0}, {})
    assert pattern.metadata == {"k": ("1", "2")}


def test_an_import_restores_a_deleted_pattern_as_a_learn_does() -> None:
    learn = Learn("", an_import().name, EVENTS[0], {"joy": 1.0}, 5)
    fold = folded([learn, Delete("", learn.name), an_import()])
    (pattern,) = fold.patterns.values()
    assert (pattern.frequency, pattern.learns, pattern.first) == (3, 3, 3)
    assert (pattern.emotives, fold.tombstones) == ((), {})


def test_an_import_after_a_clear_starts_over() -> None:
    fold = folded([an_import(), Clear(""), an_import()])
    assert [pattern.frequency for pattern in fold.patterns.values()] == [3]


def test_an_import_never_gives_a_name_other_events() -> None:
    other = an_import(part=1, events=EVENTS[1])
    fold = folded([an_import(), other, an_import(part=2)])
    (pattern,) = fold.patterns.values()
    assert (pattern.events, pattern.frequency) == (EVENTS[0], 6)
    assert fold.statistics.total_learns == 4


def test_huge_counts_stop_at_a_limit_in_every_engine() -> None:
    most = an_import(frequency=MAX_FREQUENCY, learns=MAX_IMPORTED_LEARNS)
    history: list[Entry] = [replace(most, part=part) for part in range(3)]
    for index in (PlainPatterns(), PatternSearcher("c").new_index()):
        fold = folded(history, Fold(index))
        (pattern,) = fold.patterns.values()
        assert (pattern.frequency, pattern.learns) == (MAX_FREQUENCY, MAX_IMPORTED_LEARNS)
        assert fold.statistics.total_learns == MAX_IMPORTED_LEARNS


def encoded_bytes(fold: Fold, name: str) -> int:
    view = fold.known(name)
    assert view is not None
    return len(bson.encode(encoded_view("kato", view)))


def test_emotives_after_imports_and_edits_fit_into_a_document_of_mongodb() -> None:
    """A view that does not fit would stop the checkpoint of its knowledge base for good."""
    maps = tuple({f"{m}-{i}-{'x' * 240}": 1.0 for i in range(280)} for m in range(100))
    name = "a" * 40
    merged = Fold(PlainPatterns())
    for part in range(3):
        merged.apply(part + 1, Import("", f"{part}", 0, name, EVENTS[0], 1, 1, maps))
    assert encoded_bytes(merged, name) < 16 * 2**20
    kept = merged.known(name)
    assert kept is not None
    assert kept.pattern.emotives == (*maps, *maps)[-len(kept.pattern.emotives) :]
    edited = Fold(PlainPatterns())
    edited.apply(1, Import("", "s", 0, name, (("z" * 12 * 2**20,), ("b",)), 1, 1))
    edited.apply(2, Update("", name, None, maps))
    assert encoded_bytes(edited, name) < 16 * 2**20


def test_the_largest_pattern_that_can_be_learned_can_be_imported() -> None:
    events = tuple((f"{number:06}" + "y" * 74,) for number in range(65_535))
    name = pattern_name(events)
    fold = Fold(PlainPatterns())
    for revision in (1, 2):
        emotives = {f"{revision}-{i}-{'x' * 240}": 1.0 for i in range(13_000)}
        fold.apply(revision, Learn("", name, events, emotives, 100))
    known = fold.known(name)
    assert known is not None
    given = {
        "name": name,
        "events": [list(event) for event in events],
        "frequency": 2,
        "learns": 2,
        "emotives": [dict(one) for one in known.pattern.emotives],
    }
    taken = pattern_of(given)
    assert taken.emotives == known.pattern.emotives
    entry = Import("", "s", 0, name, taken.events, 2, 2, taken.emotives)
    assert len(bson.encode(encoded("kato", 1, entry, datetime.now(UTC)))) < 16 * 2**20
