"""Predictions as JSON, as each generation of clients expects them.

Those of ``/sessions`` expect ``missing`` and ``extras`` as one list per event, where the others get
one list of all symbols, and the entropy of the present alone (later-clients.md L1 and L11).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kato_service.api.shapes import rendering
from kato_service.api.shapes.selection import Selection
from kato_service.domain.pattern import Stm
from kato_service.domain.prediction import Prediction


def spelled(
    predictions: Iterable[Prediction], stm: Stm, selection: Selection, *, later: bool
) -> Iterator[Mapping[str, Any]]:
    """The selected fields of each prediction of *stm*; *later*: for clients of ``/sessions``."""
    for prediction in predictions:
        content = rendering.prediction(prediction)
        if later:
            _make_later(content, prediction, stm)
        selected = selection.of(content)
        if prediction.explanation is not None:
            how = rendering.explanation(prediction, prediction.explanation)
            selected = {**selected, "explanation": how}
        yield selected


def _make_later(content: dict[str, Any], prediction: Prediction, stm: Stm) -> None:
    content["missing"] = missing(prediction)
    content["extras"] = extras(prediction, stm)
    del content["hamiltonian"], content["grand_hamiltonian"]
    if prediction.later is not None:
        content["entropy"] = prediction.later.shannon_entropy


def missing(prediction: Prediction) -> list[list[str]]:
    """For each event of the present, its symbols that did not match."""
    # Not those that are not in `matches`, which has the observed spellings.
    missing = set(prediction.missing)
    return [[symbol for symbol in event if symbol in missing] for event in prediction.present]


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
