"""Predictions as JSON, with ``missing`` and ``extras`` nested for the clients of ``/sessions``.

Those clients expect one list per event, where the others get one list of all symbols.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kato_service.api.shapes import rendering
from kato_service.domain.pattern import Stm
from kato_service.domain.prediction import Prediction


def spelled(
    predictions: Iterable[Prediction], stm: Stm, *, nested: bool
) -> Iterator[dict[str, Any]]:
    """The JSON of each prediction of *stm*."""
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
    is_matched = bytearray(sum(map(len, stm)))
    for start, size in zip(prediction.blocks[::2], prediction.blocks[1::2], strict=True):
        is_matched[start : start + size] = b"\1" * size
    marks = iter(is_matched)
    return [
        [symbol for symbol, matched in zip(event, marks, strict=False) if not matched]
        for event in stm
    ]
