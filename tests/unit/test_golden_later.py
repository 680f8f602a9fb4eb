"""The golden cases of later-clients.md L12: whole predictions of later clients, and potentials."""

import gzip
import json
from pathlib import Path
from typing import Any, cast

import pytest

from kato_service.api.shapes import rendering
from kato_service.domain.affinity import affinities
from kato_service.domain.emotives import learned_emotives
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import pattern_name
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Delete, Learn, Update
from kato_service.search.matching import Details, MatchingIndex
from kato_service.search.pattern_searcher import PatternSearcher

Case = dict[str, Any]
GOLDEN = Path(__file__).parent.parent / "golden" / "later.jsonl.gz"
GENES = {"recall_threshold", "max_predictions", "persistence", "rank_sort_algo"} | {
    "single_symbol_predictions",
    "fuzzy_token_threshold",
    "affinity_emotive",
}
EVERYTHING = Details(later=True, futures=True)


def _cases() -> list[Case]:
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        return list(map(json.loads, lines))


def _parameter(case: Case) -> Any:
    return pytest.param(case, id=f"{case['id']}-{'-'.join(case['tags'])}")


def _fold(case: Case, genes: Genes, searcher: PatternSearcher) -> Fold:
    """The fold of the case's learns and operations."""
    fold = Fold(searcher.new_index())
    entries: list[Learn | Update | Delete] = []
    pairs = zip(case["learned"], case["learned_emotives"], case["learned_names"], strict=True)
    for lists, maps, name in pairs:
        events = tuple(tuple(sorted(event) if genes.sort_symbols else event) for event in lists)
        if name:
            assert name == f"PTRN|{pattern_name(events)}"
            emotives = learned_emotives([given for given in maps if given])
            entries.append(Learn("", name[5:], events, emotives, genes.persistence))
    for given in case.get("operations", ()):
        name = rendering.bare(given["name"])
        if given["op"] == "update":
            entries.append(Update("", name, frequency=given["frequency"]))
        else:
            entries.append(Delete("", name))
    for revision, entry in enumerate(entries, start=1):
        fold.apply(revision, entry)
    return fold


def _assert_same(given: Any, expected: Any, place: str) -> None:
    """Floats within 1e-9, everything else exactly, the order of keys too."""
    if isinstance(expected, float):
        assert isinstance(given, float), place
        assert given == pytest.approx(expected, abs=1e-9), place
    elif isinstance(expected, dict):
        assert list(given) == list(expected), place
        for key, value in expected.items():
            _assert_same(given[key], value, f"{place}.{key}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        assert len(given) == len(expected), place
        for at, (one, other) in enumerate(zip(given, expected, strict=True)):
            _assert_same(one, other, f"{place}[{at}]")
    else:
        assert given == expected, place


@pytest.mark.parametrize("case", map(_parameter, _cases()))
def test_predictions_of_later_clients_are_the_golden_ones(
    case: Case, searcher: PatternSearcher
) -> None:
    given = {name: value for name, value in case["config"].items() if name in GENES}
    genes = Genes(sort_symbols=case["config"]["sort"], **given)
    fold = _fold(case, genes, searcher)
    stm = tuple(map(tuple, case["stm"]))
    found = searcher.run(searcher.search(fold.reading(), stm, genes, EVERYTHING))
    predictions = [rendering.prediction(one) for one in found.predictions]
    assert [one.pop("pattern_name") for one in predictions] == [
        f"PTRN|{one['name']}" for one in case["predictions"]
    ]
    potentials = [rendering.future_potential(one) for one in found.future_potentials]
    answer = json.loads(json.dumps([predictions, potentials]))
    _assert_same(answer[0], case["predictions"], "predictions")
    _assert_same(answer[1], case["future_potentials"], "future_potentials")


def test_no_case_is_left_out() -> None:
    assert len(_cases()) == 122


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_affinity_of_symbols_is_the_golden_one(case: Case, searcher: PatternSearcher) -> None:
    given = {name: value for name, value in case["config"].items() if name in GENES}
    fold = _fold(case, Genes(sort_symbols=case["config"]["sort"], **given), searcher)
    found = affinities(cast(MatchingIndex, fold.index).felt())
    expected = {symbol: pytest.approx(sums) for symbol, sums in case["symbol_affinity"].items()}
    assert found == expected
