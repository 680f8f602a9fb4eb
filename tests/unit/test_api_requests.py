"""Bodies of requests: strict types, known fields, the ranges of processor.md §9."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kato_service.api.shapes.body import Body, unknown_fields_ignored
from kato_service.api.shapes.other_genes import DEFAULTS, OtherGenes
from kato_service.api.shapes.requests import (
    ConfigBody,
    GeneOverrides,
    GenesBody,
    ObservationBody,
    SequenceBody,
    SessionBody,
)
from kato_service.api.wording import spellings
from kato_service.domain.observation import Observation


@pytest.fixture
def legacy() -> Iterator[None]:
    token = unknown_fields_ignored.set(True)
    yield
    unknown_fields_ignored.reset(token)


def test_an_observation_becomes_a_domain_value() -> None:
    body = ObservationBody.model_validate(
        {
            "strings": ["b", "a"],
            "vectors": [[1, 0.5]],
            "emotives": {"joy": 1},
            "metadata": {"k": {}},
        }
    )
    assert body.observation() == Observation(("b", "a"), ((1.0, 0.5),), {"joy": 1.0}, {"k": "{}"})


@pytest.mark.parametrize(
    "fields",
    [
        {"strings": ["a", 1]},
        {"strings": ("a",), "string": "x"},
        {"emotives": {"joy": True}},
        {"emotives": {"joy": float("nan")}},
        {"vectors": [[float("inf")]]},
        {"unique_id": "x" * 257},
    ],
)
def test_an_invalid_observation_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ObservationBody.model_validate(fields)


def test_unknown_fields_are_ignored_on_legacy_paths_at_every_depth(legacy: None) -> None:
    body = SequenceBody.model_validate(
        {"observations": [{"strings": ["a"], "unique_id": "x"}], "unknown": 1}
    )
    assert body.observations[0].strings == ["a"]


def test_unknown_genes_are_refused_on_legacy_paths_too(legacy: None) -> None:
    with pytest.raises(ValidationError):
        GenesBody.model_validate({"genes": {"unknown": 1}})


def test_unknown_genes_are_named_to_later_clients(legacy: None) -> None:
    given = {"persistence": 3, "x" * 100: 1, "smoothness": 2}
    for value in ({"config": given}, given):
        genes = ConfigBody.model_validate(value).config
        assert genes.given() == {"persistence": 3, "smoothness": 2}
        assert genes.ignored() == ["smoothness", "x" * 64]


def test_of_many_unknown_genes_the_first_are_named(legacy: None) -> None:
    given = {f"gene_{number}": number for number in range(1000)}
    ignored = GeneOverrides.model_validate(given).ignored()
    assert ignored == [f"gene_{number}" for number in range(20)]


def test_genes_may_be_spelled_in_any_case_on_legacy_paths(legacy: None) -> None:
    genes = GeneOverrides.model_validate({"STM_MODE": "ROLLING", "Smoothness": 4})
    assert genes.given() == {"stm_mode": "ROLLING", "smoothness": 4}
    with pytest.raises(ValidationError, match="must not name stm_mode more than once"):
        GeneOverrides.model_validate({"STM_MODE": "ROLLING", "stm_mode": "CLEAR"})


@pytest.mark.parametrize(("body", "field"), [(GenesBody, "genes"), (ConfigBody, "config")])
def test_a_gene_next_to_the_map_of_genes_is_not_lost(
    body: type[Body], field: str, legacy: None
) -> None:
    given = {field: {"persistence": 3}}
    assert body.model_validate(given | {"unknown": 1}) == body.model_validate(given)
    with pytest.raises(ValidationError, match=f"must not hold smoothness next to {field}"):
        body.model_validate({field: {"persistence": 3}, "smoothness": 1})


def test_every_gene_of_other_versions_takes_its_default_and_null() -> None:
    assert set(DEFAULTS) == set(OtherGenes.model_fields)
    genes = GeneOverrides.model_validate(DEFAULTS)
    assert genes.given() == DEFAULTS
    assert genes.ignored() == list(DEFAULTS)
    none = dict.fromkeys(DEFAULTS)
    assert GeneOverrides.model_validate(none).given() == none


def test_the_genes_of_the_later_specification_are_known() -> None:
    text = (Path(__file__).parents[2] / "docs/design/later-clients.md").read_text()
    table = text[text.index("## L10.") : text.index("## L11.")]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][2:]
    keys = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|\bsmoothness\b", " ".join(cells)))
    keys |= {f"minhash_{end}" for end in ("bands", "rows", "num_hashes")}
    keys -= {"num_hashes"}
    assert len(keys) > 28
    assert keys - spellings(GeneOverrides) == set()


@pytest.mark.parametrize("alias", ["user_id", "node_id"])
def test_the_user_of_a_session_may_be_named_by_either_field(alias: str, legacy: None) -> None:
    assert SessionBody.model_validate({alias: "Ada"}).user_id == "Ada"


def test_given_genes_include_null_and_chosen_ones_do_not() -> None:
    overrides = GeneOverrides.model_validate({"sort": False, "persistence": None})
    assert overrides.given() == {"sort_symbols": False, "persistence": None}
    assert overrides.chosen() == {"sort_symbols": False}


def test_a_float_without_fraction_is_an_integer() -> None:
    assert GeneOverrides.model_validate({"max_predictions": 7.0}).chosen() == {"max_predictions": 7}


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("recall_threshold", 0, 1),
        ("max_predictions", 1, 10_000),
        ("persistence", 1, 100),
        ("vector_neighbors", 0, 100),
        ("vector_min_score", -1, 1),
        ("vector_absorb_similarity", 0, 1),
    ],
)
def test_genes_are_accepted_up_to_their_bounds_and_not_beyond(
    name: str, lowest: int, highest: int
) -> None:
    for value in (lowest, highest):
        assert GeneOverrides.model_validate({name: value}).given() == {name: value}
    for value in (lowest - 1, highest + 1, True, "1"):
        with pytest.raises(ValidationError):
            GeneOverrides.model_validate({name: value})
