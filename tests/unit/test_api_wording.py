"""Findings of the validator are told in plain words, whatever was sent."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from kato_service.api.intake.strict_route import refused_body
from kato_service.api.shapes import requests
from kato_service.api.shapes.body import Body
from kato_service.api.websocket import Frame
from kato_service.api.wording import spellings, unknown
from kato_service.errors import LimitExceededError
from kato_service.findings import Finding, in_body, spelled

MODELS: list[type[BaseModel]] = [
    *(
        found
        for found in vars(requests).values()
        if isinstance(found, type) and issubclass(found, Body) and found is not Body
    ),
    Frame,
]
JARGON = re.compile(
    r"Input should|Extra inputs|Value error|valid (dictionary|list|string|integer)|instance of|"
    r"Body\b|\b(str|int|float|bool|dict)\b|is not valid$"
)
NAMES = sorted({name for model in MODELS for name in spellings(model)} | {"x", "strngs"})
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "a", "\x00", "x" * 300]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=600)
@given(model=st.sampled_from(MODELS), value=VALUES)
def test_no_finding_speaks_the_language_of_the_validator(
    model: type[BaseModel], value: Any
) -> None:
    try:
        model.model_validate(value)
    except ValidationError as exc:
        refused = refused_body(exc, model, value)
        texts = [refused.message, *(finding.reason for finding in refused.findings)]
        assert not any(JARGON.search(text) for text in texts), texts
        for finding in refused.findings:
            assert _exists(value, finding), finding


def _exists(value: Any, finding: Finding) -> bool:
    """Whether the place is in what was sent, or is that of a missing field of it."""
    *outer, last = finding.place[1:] or [None]
    for part in outer:
        value = value[part]
    if last is None or finding.reason == "is required":
        return True
    return last in value if isinstance(value, dict) else isinstance(last, int)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("strings",), "strings"),
        (("observations", 5, "strings", 0), "strings[0] of observations[5]"),
        (("vectors", 0, 3), "vectors[0][3]"),
        (("emotives", "joy"), "joy of emotives"),
        (("emotives", "my joy"), '"my joy" of emotives'),
        (("emotives", ""), '"" of emotives'),
        (("metadata", "k", 1, 2, "ä"), '"\\u00e4" of k[1][2] of metadata'),
        (("metadata", "x" * 100), f"{'x' * 64} of metadata"),
    ],
)
def test_a_place_is_spelled_from_the_inside_out(place: tuple[Any, ...], said: str) -> None:
    assert spelled(place) == said
    assert in_body(*place, reason="is wrong").sentence() == f"{said} is wrong"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (("body",), "the body is wrong"),
        (("frame",), "the frame is wrong"),
        (("payload",), "the payload is wrong"),
        (("payload", "strings", 0), "strings[0] is wrong"),
        (("type",), "type is wrong"),
        (("query", "limit"), "the query parameter limit is wrong"),
        (("header", "X-User-ID"), "the header X-User-ID is wrong"),
        (("session", "emotives"), "emotives of the session is wrong"),
    ],
)
def test_a_sentence_says_in_which_part_of_the_request(
    place: tuple[Any, ...], sentence: str
) -> None:
    assert Finding(place, "is wrong").sentence() == sentence


def test_an_error_of_the_domain_gets_its_place_from_those_who_know_it() -> None:
    error = LimitExceededError.at("strings", 3, reason="is too long").inside("observations", 2)
    assert error.details == (
        {"location": ["body", "observations", 2, "strings", 3], "reason": "is too long"},
    )
    assert error.message == "strings[3] of observations[2] is too long"
    framed = error.in_frame("payload")
    assert framed.details[0]["location"] == ["payload", "observations", 2, "strings", 3]
    assert (type(framed), framed.message) == (LimitExceededError, error.message)


def test_a_place_that_is_not_in_the_body_stays() -> None:
    found = Finding(("session", "emotives"), "is too large")
    assert found.inside("observations", 2).in_frame("payload") == found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("limt", "is not a known field; did you mean limit?"),
        ("LIMIT", "is not a known field; did you mean limit?"),
        ("recallThreshold", "is not a known field; did you mean recall_threshold?"),
        ("threshold", "is not a known field; did you mean recall_threshold?"),
        ("a", "is not a known field; known: limit, recall_threshold"),
        ("", "is not a known field; known: limit, recall_threshold"),
        ("limit" * 1_000_000, "is not a known field; known: limit, recall_threshold"),
    ],
)
def test_the_nearest_known_name_is_suggested(name: str, words: str) -> None:
    assert unknown(name, {"recall_threshold", "limit"}) == words


def test_where_no_name_is_known_none_is_listed() -> None:
    assert unknown("limit", ()) == "is not a known field"
