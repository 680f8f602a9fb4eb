"""An operation as a row of a table, and how it becomes a documented route."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.strict_route import StrictRoute
from kato_service.api.shapes import responses
from kato_service.errors import (
    AuthUnavailableError,
    BodyTooLargeError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidInputError,
    KatoError,
    OverloadedError,
    RateLimitedError,
    StoreUnavailableError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

_ALWAYS: tuple[type[KatoError], ...] = (
    UnauthorizedError,
    ForbiddenError,
    InvalidInputError,
    RateLimitedError,
    StoreUnavailableError,
    OverloadedError,
    AuthUnavailableError,
    DeadlineExceededError,
    KatoError,
)
"""Errors that every operation may answer with."""
_WITH_BODY: tuple[type[KatoError], ...] = (BodyTooLargeError, UnsupportedMediaTypeError)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of `OPERATIONS` in the module of its subject; `routes` mounts it under prefixes."""

    methods: tuple[str, ...]
    path: str
    endpoint: Callable[..., Awaitable[Response]]
    summary: str
    answer: type[BaseModel]
    """Documents the JSON of its answer; `rendering` writes it."""
    errors: tuple[type[KatoError], ...] = ()
    """Errors it may answer with, in addition to those of every operation."""
    scope: Scope = field(kw_only=True)
    """What its callers need (docs/access.md)."""
    audited: bool = field(default=False, kw_only=True)
    """Whether the audit log has a line about every call."""


def add(app: FastAPI, prefix: str, operations: Iterable[Operation], *, tag: str) -> None:
    """Mount *operations* under *prefix*; *tag* groups them in the OpenAPI document."""
    for operation in operations:
        for method in operation.methods:
            _add(app, prefix + operation.path, method, operation, tag)


def _add(app: FastAPI, path: str, method: str, operation: Operation, tag: str) -> None:
    errors = (*operation.errors, *_ALWAYS, *(_WITH_BODY if method in ("POST", "PUT") else ()))
    operation_id = _operation_id(method, path)
    app.router.add_api_route(
        path,
        operation.endpoint,
        methods=[method],
        operation_id=operation_id,
        summary=operation.summary,
        tags=[tag],
        response_model=operation.answer,
        responses=_documented(errors),
        route_class_override=StrictRoute,
    )
    audited = operation_id if operation.audited else None
    guard(app.router.routes[-1], Need(operation.scope, audited))


def _operation_id(method: str, path: str) -> str:
    words = [word.strip("{}").replace("-", "_") for word in path.split("/") if word]
    return "_".join((method.lower(), *words))


def _documented(errors: Iterable[type[KatoError]]) -> dict[int | str, dict[str, Any]]:
    codes: dict[int, list[type[KatoError]]] = {}
    for error in errors:
        codes.setdefault(error.status_code, []).append(error)
    return {status: _refusal(status, classes) for status, classes in sorted(codes.items())}


def _refusal(status: int, classes: list[type[KatoError]]) -> dict[str, Any]:
    names = list(dict.fromkeys(error.code for error in classes))
    examples = {error.code: {"value": _example(error)} for error in classes}
    return {
        "model": responses.Refusal,
        "description": f"{HTTPStatus(status).phrase}: {', '.join(names)}",
        "content": {"application/json": {"examples": examples}},
    }


def _example(error: type[KatoError]) -> dict[str, Any]:
    message = error.code.replace("_", " ").lower()
    content = {
        "code": error.code,
        "message": message,
        "retryable": error.retryable,
        "request_id": "5f2b9c1e7a3d4e60",
        "details": [],
    }
    return {"error": content, "detail": message}
