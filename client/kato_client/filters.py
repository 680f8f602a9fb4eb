"""Conditions that patterns have to meet."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from kato_client.observations import Event, observations_of


class PatternFilter(TypedDict, total=False):
    """All conditions that are given have to be met."""

    symbols: Iterable[str]
    """The pattern contains all of them."""
    prefix: Iterable[Event]
    """It begins with these events."""
    metadata: Mapping[str, Any]
    """It has these values; None stands for any."""
    min_frequency: int
    max_frequency: int
    learned_after: datetime
    """It was last learned or edited later; as far back as the log of the instance goes."""
    learned_before: datetime
    first_learned_after: datetime
    first_learned_before: datetime


def as_body(wanted: PatternFilter) -> dict[str, Any]:
    """The JSON of the conditions.

    Raises:
        ValueError: A time has no time zone.
    """
    found: dict[str, Any] = {**wanted}
    if "symbols" in wanted:
        found["symbols"] = list(wanted["symbols"])
    if "prefix" in wanted:
        found["prefix"] = [one["strings"] for one in observations_of(wanted["prefix"])]
    for name, value in found.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name} needs a time zone, for example datetime.now(UTC)")
            found[name] = value.isoformat()
    return found


def as_query(wanted: PatternFilter) -> dict[str, Any]:
    """The same as parameters: those that are no plain value are JSON."""
    body = as_body(wanted)
    return {
        name: value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
        for name, value in body.items()
    }
