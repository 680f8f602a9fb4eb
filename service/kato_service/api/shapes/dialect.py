"""How answers are spelled for a generation of clients, told from the path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How answers are spelled for a generation of clients."""

    ok: str = "ok"
    user_field: str = "user_id"
    nested: bool = False
    """``missing`` and ``extras`` event by event."""


CURRENT = Dialect()
LEGACY = Dialect(ok="okay")
LATER = Dialect(ok="okay", user_field="node_id", nested=True)


def dialect_of(path: str) -> Dialect:
    if path.startswith("/v2/"):
        return CURRENT
    return LATER if path.startswith("/sessions") else LEGACY
