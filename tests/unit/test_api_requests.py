"""Bodies of requests: strict types, known fields, the ranges of processor.md §9."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from kato_service.api.shapes.requests import (
    GeneOverrides,
    GenesBody,
    ObservationBody,
    SequenceBody,
    SessionBody,
    unknown_fields_ignored,
)
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
