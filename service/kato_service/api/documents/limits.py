"""Bounds of an instance in the schemas of its requests (http-api.md §5).

Most bounds are the processor's: the models of `requests` do not hold them, and settings change
them.
"""

from collections.abc import Mapping
from typing import Any

from kato_service.processing.limits import MAX_EMOTIVE_KEY_CHARS, MAX_EMOTIVE_KEYS
from kato_service.settings.settings import Settings

MAX_PERSISTENCE = 100
"""The largest value of the gene, and so the emotive maps that any pattern may keep."""
_OBSERVATIONS = ("ObservationBody", "SequenceItem")
Schemas = Mapping[str, dict[str, Any]]
"""By name, as a document holds them."""


def bound(schemas: Schemas, settings: Settings) -> None:
    """Add the bounds to the *schemas* that have any."""
    for name in _OBSERVATIONS:
        if name in schemas:
            _bound_observation(schemas[name]["properties"], settings)
    if "PatternBody" in schemas:
        maps = schemas["PatternBody"]["properties"]["emotives"]["anyOf"][0]
        maps["maxItems"] = MAX_PERSISTENCE
        _bound_emotives(maps["items"])
    if "SessionBody" in schemas:
        metadata = schemas["SessionBody"]["properties"]["metadata"]
        metadata["description"] += (
            f" At most {settings.max_metadata_bytes} bytes of JSON, and 246 levels deep."
        )


def takes_vectors(settings: Settings) -> bool:
    return settings.vectors_in != "disabled"


def _bound_observation(properties: dict[str, Any], settings: Settings) -> None:
    strings, vectors = properties["strings"], properties["vectors"]
    strings["maxItems"] = settings.max_strings_per_event
    strings["items"]["maxLength"] = settings.max_symbol_chars
    takes = takes_vectors(settings)
    vectors["maxItems"] = settings.max_vectors_per_observation if takes else 0
    vectors["items"] |= {"minItems": 1, "maxItems": settings.max_vector_dimensions}
    _bound_emotives(properties["emotives"])


def _bound_emotives(schema: dict[str, Any]) -> None:
    schema["maxProperties"] = MAX_EMOTIVE_KEYS
    schema["propertyNames"] = {"maxLength": MAX_EMOTIVE_KEY_CHARS}
