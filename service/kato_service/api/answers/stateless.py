"""Predictions without a session: nothing is created and nothing stored (http-api.md §2)."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api import errors
from kato_service.api.answers.asking import Asked, asked
from kato_service.api.answers.predicting import predicted, predictions_alone
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.shapes import prediction_responses, rendering
from kato_service.api.shapes.requests import PredictBatchBody, PredictBody
from kato_service.errors import (
    InvalidInputError,
    KatoError,
    LimitExceededError,
    MatchingBudgetError,
    OverloadedError,
    VectorDimensionError,
    VectorsDisabledError,
)
from kato_service.findings import Part
from kato_service.sessions.state import SessionState

MAX_BATCH_BYTES = 32 * 2**20
"""JSON of the results of one batch, which are in memory together; the item that makes them larger
is the last one that is answered."""
_REFUSED = (
    LimitExceededError,
    MatchingBudgetError,
    VectorDimensionError,
    VectorsDisabledError,
)


@dataclass(frozen=True, slots=True)
class _Question:
    """What to predict, once it is known that the caller may ask."""

    body: PredictBody
    blank: SessionState
    asked: Asked


async def predict(call: Call, body: PredictBody) -> Response:
    return await rendering.long_response(await _answer(call, await _question(call, body)))


async def predict_batch(call: Call, body: PredictBatchBody) -> Response:
    """One item after the other, so a batch never holds more than one place among predictions."""
    questions = [await _question(call, item, "items", at) for at, item in enumerate(body.items)]
    texts: list[bytes] = []
    failed = size = 0
    for at, question in enumerate(questions):
        try:
            _require_room(size)
            text = await json_text.long_text({"result": await _answer(call, question)})
        except KatoError as error:
            failed += 1
            text = json_text.text(_failure(call, error, at))
        texts.append(text)
        size += len(text)
        # Questions that need no matching would be answered in one go.
        await asyncio.sleep(0)
    results = json_text.Pieces(tuple(_joined(texts)))
    content = {"results": results, "count": len(texts), "failed": failed}
    answer = await rendering.long_response(content)
    users = {question.blank.user_id for question in questions}
    return answer if len(users) == 1 else rendering.uncompressed(answer)


async def _question(call: Call, body: PredictBody, *place: Part) -> _Question:
    """Raises ForbiddenError, InvalidInputError."""
    overrides = body.config.chosen() if body.config else {}
    blank = await call.blank(body.user_id, overrides)
    return _Question(body, blank, asked(call, body, "body", *place))


async def _answer(call: Call, question: _Question) -> dict[str, Any]:
    body = question.body
    observed = await call.service.processor.transient(
        question.blank, body.observed(), part=body.part, deadline=call.deadline
    )
    result = await predicted(call, observed.state, question.asked)
    content = await predictions_alone(call, observed.state, result, question.asked)
    ignored = rendering.ignored(body.config.ignored() if body.config else ())
    return content | {"stm_truncated": observed.stm_truncated} | ignored


def _require_room(size: int) -> None:
    if size > MAX_BATCH_BYTES:
        raise LimitExceededError.at(
            reason=f"is not answered: the results before it have {size} bytes, and a batch may have"
            f" {MAX_BATCH_BYTES}; send it in another one, or lower limit"
        )


def _failure(call: Call, error: KatoError, at: int) -> dict[str, Any]:
    """The error of the item at this place, counted as the error of a request is."""
    if isinstance(error, InvalidInputError):
        error = error.inside("items", at)
    if isinstance(error, OverloadedError):
        call.service.metrics.shed(error.limit)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return {"error": errors.envelope(error, request_id)["error"]}


def _joined(texts: list[bytes]) -> Iterator[bytes]:
    for number, text in enumerate(texts):
        yield b"," if number else b"["
        yield text
    yield b"]"


OPERATIONS = (
    Operation(
        ("POST",), "/predict", predict, "Predict from events, without a session",
        prediction_responses.Predicted, _REFUSED, scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/predict:batch", predict_batch, "Predict up to 100 times",
        prediction_responses.PredictedBatch, _REFUSED, scope=Scope.READ,
        uncompressed=True,
    ),
)  # fmt: skip
