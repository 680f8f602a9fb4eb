"""Which fields of predictions a request asks for: its dialect, or ``fields`` (http-api.md §2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kato_service.api.shapes.dialect import LATER, Dialect
from kato_service.api.shapes.rendering import (
    LATER_FIELDS,
    PREDICTION_FIELDS,
    WEIGHTED_FIELDS,
)
from kato_service.api.wording import unknown
from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Part
from kato_service.search.matching import NO_DETAILS, Details

ALL = "all"
FUTURES = "future_potentials"
"""A field of the answer, next to its predictions."""
_NOT_LATER = ("hamiltonian", "grand_hamiltonian")
"""Fields that predictions on ``/sessions`` do not have."""
_OF_LATER = frozenset((*LATER_FIELDS, *WEIGHTED_FIELDS))
_OF_PREDICTIONS = (
    *("type", *PREDICTION_FIELDS, *LATER_FIELDS, *WEIGHTED_FIELDS),
    *("pattern_name", "metadata"),
)
FIELDS = (*_OF_PREDICTIONS, FUTURES)
"""All names that a request may ask for."""
_NAME = f"({'|'.join(FIELDS)})"
PATTERN = rf"^\s*({ALL}|{_NAME}(\s*,\s*{_NAME})*)\s*$"
"""What a request may ask for, for the OpenAPI documents; `selection` says more about the rest."""
NEXT_PARTS = ("events", "symbols", "stop")
"""Parts of an answer that tells what comes next."""
_NEXT_NAME = f"({'|'.join(NEXT_PARTS)})"
NEXT_PATTERN = rf"^\s*({ALL}|{_NEXT_NAME}(\s*,\s*{_NEXT_NAME})*)\s*$"
EVERYTHING = Details(later=True, futures=True)


@dataclass(frozen=True, slots=True)
class Selection:
    """What an answer to a request for predictions holds."""

    details: Details = NO_DETAILS
    names: frozenset[str] | None = None
    """The fields of each prediction; None: all that were computed."""

    @property
    def is_plain(self) -> bool:
        """Whether each prediction has the fields of processor.md §7, and no others."""
        return self.names is None and self.details == NO_DETAILS

    def of(self, prediction: dict[str, Any]) -> Mapping[str, Any]:
        """The selected fields of *prediction*, in its order."""
        if self.names is None:
            return prediction
        return {name: value for name, value in prediction.items() if name in self.names}


_PLAIN, _EVERYTHING = Selection(), Selection(EVERYTHING)
WITHOUT_FUTURES = Selection(Details(later=True))
"""For answers on ``/sessions`` that show predictions alone."""


def selection(fields: str | None, dialect: Dialect, *place: Part) -> Selection:
    """The selection of a request.

    Args:
        fields: Names separated by commas, or ``all``; None: the fields that are usual in *dialect*.
        place: Where the request has them.

    Raises:
        InvalidInputError: A name is not known.
    """
    if fields is None:
        return _EVERYTHING if dialect is LATER else _PLAIN
    names = [name.strip() for name in fields.split(",")]
    if names == [ALL]:
        return _EVERYTHING
    known = [name for name in FIELDS if dialect is not LATER or name not in _NOT_LATER]
    wrong = [Finding((*place, name), _reason(name, known)) for name in names if name not in known]
    if wrong:
        raise InvalidInputError(wrong)
    chosen = frozenset(names)
    needs_later = bool(chosen & _OF_LATER) or (dialect is LATER and "entropy" in chosen)
    return Selection(Details(later=needs_later, futures=FUTURES in chosen), chosen - {FUTURES})


def next_parts(fields: str | None, *place: Part) -> frozenset[str] | None:
    """The parts of what comes next that a request asks for; None: all. As `selection`.

    Raises:
        InvalidInputError: A name is not known.
    """
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",")]
    if names == [ALL]:
        return None
    known = list(NEXT_PARTS)
    wrong = [Finding((*place, name), _reason(name, known)) for name in names if name not in known]
    if wrong:
        raise InvalidInputError(wrong)
    return frozenset(names)


def _reason(name: str, known: list[str]) -> str:
    if name == ALL:
        return "stands alone: send it, or names of fields"
    return unknown(name, {*known, ALL})
