"""Answers to requests for predictions, in the form that they ask for."""

from collections.abc import Iterator, Mapping
from typing import Any

from kato_service import json_text
from kato_service.api.answers.asking import Asked, usual
from kato_service.api.answers.explaining import explanation, found_count
from kato_service.api.intake.calls import Call
from kato_service.api.shapes import nesting, rendering
from kato_service.api.shapes.dialect import CURRENT, LATER
from kato_service.api.shapes.selection import NEXT_PARTS
from kato_service.api.vectors.labels import labels_of
from kato_service.domain.answers.next_events import Expected, Next
from kato_service.processing.results import PredictionsResult
from kato_service.sessions.state import SessionState


async def predicted(
    call: Call, state: SessionState, asked: Asked | None = None
) -> PredictionsResult:
    """The predictions of *state*; counted in the metrics. *asked*: by default what is usual."""
    asked = asked or usual(call)
    result = await call.service.processor.predictions(
        state,
        limit=asked.limit,
        recall_threshold=asked.recall_threshold,
        details=asked.details,
        deadline=call.deadline,
    )
    call.service.metrics.answered(result)
    return result


async def predictions_of(
    call: Call, state: SessionState, result: PredictionsResult, asked: Asked | None = None
) -> dict[str, Any]:
    """The answer to a request for predictions on a session."""
    asked = asked or usual(call)
    content = await found(call, state, result, asked)
    return content | {
        "session_id": rendering.session_id(state),
        "processor_id": result.processor_id,
        **_counts(call, result, asked),
        "time": result.time,
        "stm_length": result.stm_length,
        "stale": result.stale,
    }


async def predictions_alone(
    call: Call, state: SessionState, result: PredictionsResult, asked: Asked
) -> dict[str, Any]:
    """The answer to a request for predictions without a session."""
    content = await found(call, state, result, asked)
    return content | {
        "processor_id": result.processor_id,
        **_counts(call, result, asked),
        "stm_length": result.stm_length,
        "stale": result.stale,
    }


async def found(
    call: Call, state: SessionState, result: PredictionsResult, asked: Asked
) -> dict[str, Any]:
    """What was found, in the form of the view that is asked for."""
    if result.next is not None:
        content = await _next(result.next, asked)
    else:
        content = await _predictions(call, state, result, asked)
    if asked.labels:
        content["labels"] = await labels_of(call, result.processor_id, content.values())
    if asked.explain:
        content["explanation"] = explanation(result, asked, listed=_listed(result))
    return content


def spelled(
    call: Call, state: SessionState, result: PredictionsResult, asked: Asked | None = None
) -> Iterator[Mapping[str, Any]]:
    """The JSON of each prediction."""
    chosen, later = (asked or usual(call)).selection, call.dialect is LATER
    return nesting.spelled(result.predictions, state.stm, chosen, later=later)


async def _predictions(
    call: Call, state: SessionState, result: PredictionsResult, asked: Asked
) -> dict[str, Any]:
    if result.texts is not None:
        return {"predictions": json_text.array_of_texts(result.texts)}
    content: dict[str, Any] = {
        "predictions": await json_text.array(spelled(call, state, result, asked))
    }
    if asked.selection.details.futures:
        potentials = map(rendering.future_potential, result.future_potentials)
        content["future_potentials"] = await json_text.array(potentials)
    return content


async def _next(next_: Next, asked: Asked) -> dict[str, Any]:
    parts = NEXT_PARTS if asked.parts is None else asked.parts
    content: dict[str, Any] = {}
    if "events" in parts:
        content["events"] = await json_text.array(_rows("event", next_.events))
    if "symbols" in parts:
        content["symbols"] = await json_text.array(_rows("symbol", next_.symbols))
    if "stop" in parts:
        content["stop"] = _row(next_.stop)
    counts = {"event_count": next_.event_count, "symbol_count": next_.symbol_count}
    return content | counts


def _rows(name: str, found: tuple[Expected[Any], ...]) -> Iterator[dict[str, Any]]:
    return ({name: one.value} | _row(one) for one in found)


def _row(one: Expected[Any]) -> dict[str, Any]:
    return {
        "weight": one.weight,
        "patterns": one.patterns,
        "pattern_names": [rendering.spelled(name) for name in one.names],
    }


def _listed(result: PredictionsResult) -> int:
    return result.listed if result.next is None else len(result.next.events)


def _counts(call: Call, result: PredictionsResult, asked: Asked) -> dict[str, int]:
    """How many are listed, and, as the current generation of clients expects, of how many."""
    counts = {"count": _listed(result)}
    return counts | ({"total": found_count(result, asked)} if call.dialect is CURRENT else {})
