"""What is sent: events, with vectors, emotives and metadata where there are any."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Strings = str | Iterable[str]
"""The strings of one event: one of them, or several that belong together."""


@dataclass(frozen=True, slots=True)
class Observation:
    """An event of a sequence that is more than strings."""

    strings: Strings = ()
    vectors: Sequence[Sequence[float]] = ()
    emotives: Mapping[str, float] | None = None
    """Values by name."""
    metadata: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        given = {
            "strings": strings_of(self.strings),
            "vectors": [list(map(float, vector)) for vector in self.vectors],
            "emotives": dict(self.emotives or {}),
            "metadata": dict(self.metadata or {}),
        }
        return {name: value for name, value in given.items() if value}


Event = Strings | Observation


@dataclass(frozen=True, slots=True)
class UserSequence:
    """A sequence to learn, and whose it is."""

    user: str | None
    """None: the instance's own knowledge."""
    events: Iterable[Event]


def strings_of(strings: Strings) -> list[str]:
    return [strings] if isinstance(strings, str) else list(strings)


def observations_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The JSON of *events*.

    Raises:
        TypeError: It is one string, whose characters would be taken for events.
    """
    if isinstance(events, str):
        raise TypeError(f"pass a list of events, for example [{events[:20]!r}], not one string")
    return [
        event.as_json() if isinstance(event, Observation) else {"strings": strings_of(event)}
        for event in events
    ]
