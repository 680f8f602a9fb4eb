"""Vectors that are imported: where they come from, and what a pass over all of them found."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kato_service.domain.observation import MAX_LABEL_CHARS
from kato_service.errors import WrongFieldError
from kato_service.knowledge.vectors.vector_store import Vector
from kato_service.portable.patterns import text
from kato_service.portable.source import MAX_SHOWN, Refused

MAX_SYMBOL_CHARS = 1024


@dataclass(frozen=True, slots=True)
class NamedVector:
    symbol: str
    components: Vector
    where: str
    """Its point, or its line."""
    label: str | None = None


class VectorSource(Protocol):
    """Where vectors are imported from. It is read several times, and never written."""

    name: str
    """Its name in messages; without credentials."""

    def vectors(self) -> AsyncIterator[Sequence[NamedVector | Refused]]:
        """All vectors, a bounded number at a time.

        Raises:
            StoreUnavailableError: The source did not answer.
            TransferError: It is not a source of vectors, or damaged.
        """

    def vector_notes(self) -> Sequence[str]:
        """What a person should know about them, as of the last pass."""


@dataclass(slots=True)
class VectorSurvey:
    count: int = 0
    dimension: int | None = None
    """Components of each; None: there are none."""
    refused_count: int = 0
    refused: list[Refused] = field(default_factory=list)
    """The first few."""

    def refuse(self, refused: Refused) -> None:
        self.refused_count += 1
        if len(self.refused) < MAX_SHOWN:
            self.refused.append(refused)


async def surveyed_vectors(source: VectorSource) -> VectorSurvey:
    """Read and check all vectors; the first one sets the dimension.

    Raises:
        StoreUnavailableError: The source did not answer.
        TransferError: It is not a source of vectors, or damaged.
    """
    survey = VectorSurvey()
    async for batch in source.vectors():
        for one in batch:
            wrong = one if isinstance(one, Refused) else misfit(one, survey.dimension)
            if wrong is not None:
                survey.refuse(wrong)
            elif isinstance(one, NamedVector):
                survey.count += 1
                survey.dimension = len(one.components)
    return survey


async def fitting(source: VectorSource, dimension: int) -> AsyncIterator[Sequence[NamedVector]]:
    """The vectors that a survey counted, a bounded number at a time."""
    async for batch in source.vectors():
        yield [
            one for one in batch if isinstance(one, NamedVector) and misfit(one, dimension) is None
        ]


def vector_of(
    symbol: object, components: object, where: str, label: object = None
) -> NamedVector | Refused:
    """The vector if it is one that can be stored: finite, with a direction, and named."""
    try:
        return NamedVector(_symbol(symbol), _components(components), where, _label(label))
    except WrongFieldError as exc:
        return Refused(where, exc.message)


def misfit(one: NamedVector, dimension: int | None) -> Refused | None:
    """Why a vector does not fit to those before it, of that *dimension*; None: it does."""
    if dimension in (None, len(one.components)):
        return None
    reason = f"vector: has dimension {len(one.components)}, and those before it {dimension}"
    return Refused(one.where, reason)


def _symbol(given: object) -> str:
    symbol = text("symbol", given)
    if not 1 <= len(symbol) <= MAX_SYMBOL_CHARS:
        raise WrongFieldError(f"symbol: not 1 to {MAX_SYMBOL_CHARS} characters")
    return symbol


def _label(given: object) -> str | None:
    if given is None:
        return None
    label = text("label", given)
    if not 1 <= len(label) <= MAX_LABEL_CHARS:
        raise WrongFieldError(f"label: not 1 to {MAX_LABEL_CHARS} characters")
    return label


def _components(given: object) -> Vector:
    if not isinstance(given, list) or not given:
        raise WrongFieldError("vector: not a list of numbers")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in given):
        raise WrongFieldError("vector: a component is not a number")
    try:
        components = tuple(map(float, given))
    except OverflowError as exc:
        raise WrongFieldError("vector: a component is too large") from exc
    if not all(map(math.isfinite, components)):
        raise WrongFieldError("vector: a component is NaN or infinite")
    if not any(components):
        raise WrongFieldError("vector: all components are 0, so it has no direction")
    return components
