"""Copies of a knowledge base: what an export reads, while the knowledge base changes."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable

import pytest

from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.fold import Fold
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
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.reading import KnowledgeCopy
from kato_service.portable.lines import KnowledgeLines, uncounted
from kato_service.search.compiled_index import CompiledPatternIndex
from kato_service.search.numpy_index import NumpyPatternIndex

INDEXES = (PlainPatterns, NumpyPatternIndex, CompiledPatternIndex)


def learn(*events: tuple[str, ...], joy: float = 0.5) -> Learn:
    return Learn("", pattern_name(events), events, {"joy": joy}, 3, {"k": ('"v"',)})


def history() -> list[Entry]:
    learns = [learn((f"n{number}",), (f"n{number % 7}", "x")) for number in range(60)]
    imported = Import("", "s", 0, "f" * 40, (("i",), ("j",)), 5, 4, ({"joy": 1.0},))
    counts = Corrections({"n1": (2, 3), "gone": (0, 0), "i": (-4, -4)}, 1, 2, 3)
    return [
        *learns,
        learns[4],
        Update("", learns[2].name, 9, ({"joy": 0.1},)),
        Delete("", learns[1].name),
        imported,
        Statistics("", "s", 1, counts),
    ]


def folded(index: PatternIndex) -> Fold:
    fold = Fold(index)
    for revision, entry in enumerate(history(), start=1):
        fold.apply(revision, entry)
    return fold


def text_of(copy: KnowledgeCopy) -> bytes:
    async def joined() -> bytes:
        lines = KnowledgeLines("kato", copy, uncounted(copy))
        return b"".join([line async for section in lines.sections() for line in section])

    return asyncio.run(joined())


@pytest.mark.parametrize("index", INDEXES)
def test_a_copy_stays_what_it_was(index: Callable[[], PatternIndex]) -> None:
    fold = folded(index())
    copy, expected = fold.reading().copied(), text_of(fold.reading().copied())
    first = history()[3]
    assert isinstance(first, Learn)
    later = [
        first._replace(emotives={"joy": 9.0}, metadata={"k": ("2",)}),
        Delete("", first.name),
        learn(("new",), ("x",)),
        Statistics("", "s", 2, Corrections({"x": (1, 1)}, 1, 1, 1)),
        Clear(""),
        learn(("new",), ("x",)),
    ]
    for revision, entry in enumerate(later, start=1000):
        fold.apply(revision, entry)
        assert text_of(copy) == expected
    assert text_of(fold.reading().copied()) != expected


@pytest.mark.parametrize("index", INDEXES)
def test_lines_hold_what_the_statistics_count_beyond_the_patterns(
    index: Callable[[], PatternIndex],
) -> None:
    """Learns of deleted patterns, and corrections of imports: patterns tell the rest."""
    fold = folded(index())
    *rows, trailer = map(json.loads, text_of(fold.reading().copied()).splitlines()[1:])
    members, occurrences = {}, {}
    for row in rows:
        if "symbol" in row:
            members[row["symbol"]] = row["pattern_member_frequency"]
            occurrences[row["symbol"]] = row["frequency"]
    learned = [row for row in rows if "events" in row]
    assert [row["symbol"] for row in rows if "symbol" in row] == sorted(members)
    counted = fold.statistics
    for symbol in {*counted.symbol_frequency, *members}:
        holding = [row for row in learned if any(symbol in event for event in row["events"])]
        learns = sum(row["learns"] for row in holding)
        assert counted.pattern_member_frequency[symbol] == learns + members.get(symbol, 0)
    assert counted.total_learns == trailer["total_learns"] + sum(row["learns"] for row in learned)
    assert occurrences["n1"] == 3 + 2  # corrected, and deleted with its own symbol twice
    assert "gone" not in members


def test_every_engine_gives_the_same_lines() -> None:
    texts = {text_of(folded(index()).reading().copied()) for index in INDEXES}
    assert len(texts) == 1


def test_reading_a_copy_takes_memory_for_a_few_patterns_only() -> None:
    fold = Fold(CompiledPatternIndex())
    for number in range(20_000):
        events = ((f"a{number}", f"b{number}"), (f"c{number}",))
        pattern = Pattern(pattern_name(events), events, first=number + 1, revision=number + 1)
        fold.index.put(pattern, learns=1)
    copy = fold.reading().copied()
    tracemalloc.start()
    try:
        pages = sum(len(page) for page in copy.patterns.pages())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pages == 20_000
    assert most < 100_000
