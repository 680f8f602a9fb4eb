"""Predictions as JSON, with ``missing`` and ``extras`` nested for the clients of ``/sessions``.

Those clients expect one list per event, where the others get one list of all symbols.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kato_service.api.shapes import rendering
from kato_service.domain.pattern import Stm, flatten
from kato_service.domain.prediction import Prediction
from kato_service.search.numpy_index import blocks_of


def spelled(
    predictions: Iterable[Prediction], stm: Stm, *, nested: bool
) -> Iterator[dict[str, Any]]:
    """The JSON of each prediction of *stm*; nesting aligns it again, which takes its time."""
    for prediction in predictions:
        content = rendering.prediction(prediction)
        if nested:
            content["missing"] = missing(prediction)
            content["extras"] = extras(prediction, stm)
        yield content


def missing(prediction: Prediction) -> list[list[str]]:
    """For each event of the present, its symbols that did not match."""
    matched = set(prediction.matches)
    return [[symbol for symbol in event if symbol not in matched] for event in prediction.present]


def extras(prediction: Prediction, stm: Stm) -> list[list[str]]:
    """For each event of the STM, its symbols that are in no matching block."""
    if not prediction.extras:
        return [[] for _ in stm]
    unmatched = _unmatched(prediction, flatten(stm))
    positions = iter(range(sum(map(len, stm))))
    return [
        [
            symbol
            for symbol, position in zip(event, positions, strict=False)
            if position in unmatched
        ]
        for event in stm
    ]


def _unmatched(prediction: Prediction, state: tuple[str, ...]) -> set[int]:
    matched = {
        position
        for _, start, size in blocks_of(state)(flatten(prediction.sequence))
        for position in range(start, start + size)
    }
    return set(range(len(state))) - matched
