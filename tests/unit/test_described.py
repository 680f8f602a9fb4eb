"""Fields are described by the strings below them, in schemas alone."""

from typing import Any

from pydantic import AliasChoices, Field

from kato_service.models.described import DescribedFields, field_texts


class _Parent(DescribedFields):
    first: int
    """The text of the first field,
    on two lines."""
    bare: int = 1
    own: int = Field(2, description="Its own text.")
    """Not shown."""


class _Child(_Parent):
    named: int = Field(3, validation_alias=AliasChoices("spelled", "other"))
    """Shown at the first spelling."""
    first: int
    """Another text."""
    inner: _Parent | None = None
    """A model."""


def _texts(schema: dict[str, Any]) -> dict[str, str | None]:
    return {name: field.get("description") for name, field in schema["properties"].items()}


def test_a_schema_has_the_strings_below_the_fields() -> None:
    assert _texts(_Parent.model_json_schema()) == {
        "first": "The text of the first field,\non two lines.",
        "bare": None,
        "own": "Its own text.",
    }


def test_a_model_has_the_texts_of_its_bases_and_of_the_models_in_it() -> None:
    schema = _Child.model_json_schema()
    assert _texts(schema) == {
        "first": "Another text.",
        "bare": None,
        "own": "Its own text.",
        "spelled": "Shown at the first spelling.",
        "inner": "A model.",
    }
    assert (
        _texts(schema["$defs"]["_Parent"])["first"] == "The text of the first field,\non two lines."
    )


def test_nothing_is_read_before_a_schema_is_asked_for() -> None:
    assert _Child.model_fields["first"].description is None
    assert field_texts(_Child)["inner"] == "A model."
