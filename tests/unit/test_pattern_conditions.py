"""Which bodies hold a condition of patterns, and which any pattern fulfils."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kato_service.api.filters import Filtered
from kato_service.api.shapes.knowledge.bodies import DeletePatternsBody

AT = "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("given", "is_whole"),
    [
        ({}, True),
        ({"symbols": []}, True),
        ({"metadata": {}, "prefix": None}, True),
        ({"min_frequency": 0}, True),
        ({"max_frequency": 0}, False),
        ({"min_frequency": 1}, False),
        ({"prefix": [["a"]]}, False),
        ({"learned_after": AT}, False),
    ],
)
def test_a_condition_is_one_that_not_every_pattern_fulfils(
    given: dict[str, Any], is_whole: bool
) -> None:
    assert Filtered(DeletePatternsBody(**given), "body").is_whole is is_whole
    documented = Draft202012Validator(DeletePatternsBody.model_json_schema())
    assert documented.is_valid(given) is not is_whole
