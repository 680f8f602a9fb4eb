"""Which content coding a request accepts for its answer, as RFC 9110 tells it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

IDENTITY = "identity"
CODINGS = ("zstd", "gzip")
"""In the order of our preference."""
_ALIASES = {"x-gzip": "gzip"}
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
MAX_CODINGS = 100
"""Codings of a request that are looked at."""


@dataclass(frozen=True, slots=True)
class Accepted:
    coding: str
    """One of `CODINGS`, or `IDENTITY` for none."""
    needed: bool = False
    """Whether the client refuses an answer without a coding."""


def accepted(headers: Sequence[str]) -> Accepted:
    """What the values of `Accept-Encoding` ask for; without any, no coding."""
    wishes = _wishes(headers)
    if not wishes:
        return Accepted(IDENTITY)
    best = max(CODINGS, key=lambda coding: _quality_of(coding, wishes))
    quality = _quality_of(best, wishes)
    # Not named, the identity is acceptable, and less wanted than what is.
    identity = wishes.get(IDENTITY, wishes.get("*", None))
    is_refused = identity == 0.0
    prefers_none = IDENTITY in wishes and wishes[IDENTITY] > quality
    if quality <= 0.0 or prefers_none:
        return Accepted(IDENTITY)
    return Accepted(best, needed=is_refused)


def _quality_of(coding: str, wishes: Mapping[str, float]) -> float:
    return wishes.get(coding, wishes.get("*", 0.0))


def _wishes(headers: Iterable[str]) -> dict[str, float]:
    """By coding, its quality; of one that is named twice, the first counts."""
    wishes: dict[str, float] = {}
    for part in _parts(headers):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        if name and len(wishes) < MAX_CODINGS:
            wishes.setdefault(_ALIASES.get(name, name), _quality(parameters))
    return wishes


def _parts(headers: Iterable[str]) -> Iterator[str]:
    for header in headers:
        yield from header.split(",")


def _quality(parameters: Iterable[str]) -> float:
    """The quality that parameters give; one that is none refuses the coding, to be safe."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            value = value.strip()
            return float(value) if _QUALITY.fullmatch(value) else 0.0
    return 1.0
