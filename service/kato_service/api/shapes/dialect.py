"""The dialect of a request: how its generation of clients spells answers, known by the path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the answers to generations of clients."""

    ok: str = "ok"
    """The ``status`` of a success."""
    nested: bool = False
    """``missing`` and ``extras`` of a prediction are lists of events, not of symbols."""
    every_gene: bool = False
    """A configuration shows the genes of other versions as well, which have no effect."""


CURRENT = Dialect()
LEGACY = Dialect(ok="okay")
LATER = Dialect(ok="okay", nested=True, every_gene=True)


def dialect_of(path: str) -> Dialect:
    if path.startswith("/v2/"):
        return CURRENT
    return LATER if path.startswith("/sessions") else LEGACY
