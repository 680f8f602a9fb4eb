"""Domain values as JSON."""

from dataclasses import replace

import pytest

from kato_service.api.shapes import nesting, rendering
from kato_service.domain.pattern import Pattern
from kato_service.domain.prediction import Prediction
from kato_service.processing.results import ClearResult, LearnResult

NAME = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        name=NAME,
        frequency=2,
        emotives={"joy": 0.5},
        matches=("a", "b"),
        past=(),
        present=(("a", "m"), ("b",)),
        missing=("m",),
        extras=("a", "x"),
        potential=1.0,
        evidence=1.0,
        similarity=1.0,
        fragmentation=1.0,
        snr=1.0,
        entropy=1.0,
        hamiltonian=1.0,
        grand_hamiltonian=1.0,
        confluence=1.0,
        sequence=(("a", "m"), ("b",)),
        future=(),
        confidence=1.0,
        itfdf_similarity=1.0,
        blocks=(0, 2),
        metadata={},
    )


@pytest.mark.parametrize(("given", "name"), [(NAME, NAME), (f"PTRN|{NAME}", NAME), ("", "")])
def test_either_spelling_of_a_pattern_name_is_accepted(given: str, name: str) -> None:
    assert rendering.bare(given) == name


def test_an_empty_name_stays_empty() -> None:
    assert rendering.spelled("") == ""


def test_a_time_is_rfc_3339_with_z() -> None:
    assert rendering.timestamp(1_767_225_600.25) == "2026-01-01T00:00:00.250Z"


def test_a_prediction_starts_with_its_type_and_ends_with_the_spelled_name(
    prediction: Prediction,
) -> None:
    content = rendering.prediction(prediction)
    assert list(content)[:3] == ["type", "name", "frequency"]
    assert list(content)[-1] == "pattern_name"
    assert content["pattern_name"] == f"PTRN|{NAME}"


def test_the_metadata_of_a_prediction_comes_last_and_only_if_it_has_any(
    prediction: Prediction,
) -> None:
    content = rendering.prediction(replace(prediction, metadata={"k": ('"v"',)}))
    assert list(content)[-1] == "metadata"


def test_the_length_of_a_pattern_counts_its_symbols() -> None:
    assert rendering.pattern(Pattern(NAME, (("a", "a"), ("b",))))["length"] == 3


def test_repeated_appears_only_on_repeats() -> None:
    first = ClearResult("s", "kato", "u")
    assert "repeated" not in rendering.cleared(first, everything=False)
    assert rendering.cleared(replace(first, repeated=True), everything=False)["repeated"] is True


def test_insufficient_data_names_no_pattern() -> None:
    content = rendering.learned(LearnResult("s", "kato", "insufficient_data", "", 0, "u"))
    assert (content["pattern_name"], content["frequency"]) == ("", 0)


def test_missing_is_nested_per_event_of_the_present(prediction: Prediction) -> None:
    assert nesting.missing(prediction) == [["m"], []]


def test_extras_are_nested_per_event_of_the_stm_by_position(prediction: Prediction) -> None:
    stm = (("a", "x"), ("a",), ("b",))
    spaced = replace(prediction, blocks=(2, 2))
    assert nesting.extras(spaced, stm) == [["a", "x"], [], []]


def test_without_extras_each_event_has_an_empty_list(prediction: Prediction) -> None:
    assert nesting.extras(prediction, (("a",), ("b",))) == [[], []]
