"""The golden cases of processor.md §10: names, knowledge, predictions."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kato_service.domain.emotives import learned_emotives
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Stm, pattern_name
from kato_service.domain.prediction import Prediction
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Learn
from kato_service.search.pattern_searcher import PatternSearcher

Case = dict[str, Any]
GOLDEN = Path(__file__).parent.parent / "golden"
GENES = {"recall_threshold", "max_predictions", "persistence", "max_pattern_length"}


def _cases(name: str) -> list[Case]:
    with gzip.open(GOLDEN / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return list(map(json.loads, lines))


def _genes(case: Case) -> Genes:
    given = {name: value for name, value in case["config"].items() if name in GENES}
    return Genes(sort_symbols=case["config"]["sort"], **given)


def _events(lists: Sequence[Sequence[str]], genes: Genes) -> Stm:
    return tuple(tuple(sorted(event) if genes.sort_symbols else event) for event in lists)


def _trained(case: Case, genes: Genes, searcher: PatternSearcher) -> tuple[Fold, list[str]]:
    """The fold of the case's learns, and the pattern name of each learn."""
    fold = Fold(searcher.new_index())
    names = []
    pairs = zip(case["learned"], case["learned_emotives"], strict=True)
    for revision, (lists, maps) in enumerate(pairs, start=1):
        events = _events(lists, genes)
        if sum(map(len, events)) < 2:
            names.append("")
            continue
        name = pattern_name(events)
        emotives = learned_emotives([given for given in maps if given])
        fold.apply(revision, Learn(str(revision), name, events, emotives, genes.persistence))
        names.append(f"PTRN|{name}")
    return fold, names


def _plain(prediction: Prediction) -> Case:
    hidden = ("blocks", "metadata", "later", "weighted", "explanation")
    names = [field.name for field in fields(Prediction) if field.name not in hidden]
    plain = {name: getattr(prediction, name) for name in names}
    return json.loads(json.dumps({"type": "prototypical", **plain}))  # type: ignore[no-any-return]


def _assert_predicted(given: Case, expected: Case) -> None:
    for field, value in expected.items():
        if isinstance(value, float) or field == "emotives":
            assert given[field] == pytest.approx(value, abs=1e-9), field
        else:
            assert given[field] == value, field
    assert set(given) == set(expected)


@pytest.mark.parametrize("case", _cases("hashes"), ids=lambda case: case["id"])
def test_a_pattern_has_the_golden_name(case: Case) -> None:
    events = tuple(map(tuple, case["events"]))
    assert pattern_name(events) == case["sha1"]
    assert sum(map(len, events)) == case["length"]


@pytest.mark.parametrize("case", _cases("kb"), ids=lambda case: case["kb"])
def test_learning_gives_the_golden_knowledge(case: Case, searcher: PatternSearcher) -> None:
    fold, names = _trained(case, _genes(case), searcher)
    assert names == case["learned_names"]
    expected = {pattern["name"]: pattern for pattern in case["state"]["patterns"]}
    assert set(fold.patterns) == set(expected)
    for name, pattern in fold.patterns.items():
        assert pattern.frequency == expected[name]["frequency"]
        assert [list(event) for event in pattern.events] == expected[name]["pattern_data"]
        assert pattern.symbol_count == expected[name]["length"]
        windows = expected[name]["emotives"] or []
        assert len(pattern.emotives) == len(windows)
        for given, promised in zip(pattern.emotives, windows, strict=True):
            assert given == pytest.approx(promised, abs=1e-9)
    _assert_counted(fold, case["state"])


def _assert_counted(fold: Fold, state: Case) -> None:
    statistics = fold.statistics
    counted = {
        symbol: (count, statistics.symbol_frequency[symbol])
        for symbol, count in statistics.pattern_member_frequency.items()
    }
    assert counted == {
        row["name"]: (row["pattern_member_frequency"], row["frequency"]) for row in state["symbols"]
    }
    totals = state["totals"]
    assert statistics.total_learns == totals["total_pattern_frequencies"]
    assert statistics.total_symbols == totals["total_symbol_frequencies"]
    assert statistics.total_distinct_symbols == totals["total_symbols_in_patterns_frequencies"]


@pytest.mark.parametrize("case", _cases("predictions"), ids=lambda case: case["id"])
def test_predictions_match_the_golden_ones(case: Case, searcher: PatternSearcher) -> None:
    genes = _genes(case)
    fold, names = _trained(case, genes, searcher)
    assert names == case["learned_names"]
    stm = _events(case["stm"], genes)
    predictions = searcher.predict(fold.reading(), stm, genes)
    assert [p.name for p in predictions] == [p["name"] for p in case["predictions"]]
    for given, expected in zip(map(_plain, predictions), case["predictions"], strict=True):
        _assert_predicted(given, expected)
