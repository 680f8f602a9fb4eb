"""Whether a request for metrics wants JSON or Prometheus' text (docs/http-api.md §4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

JSON, TEXT = ("application/json", "application/*", "*/*"), ("text/plain", "text/*", "*/*")
"""Ranges of media types that take one form, the most specific first."""
ANY = "*/*"


@dataclass(frozen=True, slots=True, order=True)
class _Wish:
    """How much a request wants one form; of two, the greater one wins."""

    quality: float
    specificity: int
    """Of the range that names the form."""
    earliness: int
    """Of two ranges that are alike, the first is meant."""


_NONE = _Wish(0.0, 0, 0)


def wants_json(headers: Sequence[str], *, by_default: bool) -> bool:
    """Whether the values of `Accept` prefer JSON.

    Args:
        by_default: What a request gets that takes any form and says no more.
    """
    ranges = list(_ranges(headers))
    if all(name == ANY for name, _ in ranges):
        return by_default
    return _wish(JSON, ranges) > _wish(TEXT, ranges)


def _wish(form: Sequence[str], ranges: Sequence[tuple[str, float]]) -> _Wish:
    names = [name for name, _ in ranges]
    for specificity, name in zip(range(len(form), 0, -1), form, strict=True):
        if name in names:
            place = names.index(name)
            quality = ranges[place][1]
            return _Wish(quality, specificity, -place) if quality > 0 else _NONE
    return _NONE


def _ranges(headers: Iterable[str]) -> Iterable[tuple[str, float]]:
    """Each range with its quality; other parameters do not count."""
    for header in headers:
        for part in header.split(","):
            name, *parameters = (word.strip().lower() for word in part.split(";"))
            if name:
                yield name, _quality(parameters)


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
