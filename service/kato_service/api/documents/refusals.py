"""Errors in the OpenAPI documents: by status, with codes, headers and an example of each."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from kato_service.api.documents.messages import message
from kato_service.errors import (
    ForbiddenError,
    KatoError,
    OverloadedError,
    SessionLimitExceededError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

REFUSAL = "Refusal"
"""The schema of the envelope."""
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of the request, for the service's log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "X-Session-ID": {
        "description": "The session of the request.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again, if that may help.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Which credentials would help.",
        "schema": {"type": "string"},
    },
    "Accept-Encoding": {
        "description": "What a body may be compressed with.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "Forbids everybody to keep or compress an answer that mixes users.",
        "schema": {"type": "string"},
    },
    "RateLimit-Limit": {
        "description": "Requests that the caller may send at once, if the instance limits them.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "description": "Requests that are left of them.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "Seconds until all of them are left.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Policy": {
        "description": "The limit as newer drafts of the IETF spell it.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left, as newer drafts of the IETF spell it.",
        "schema": {"type": "string"},
    },
}
"""Headers of answers."""
RATES = tuple(name for name in HEADERS if name.startswith("RateLimit"))
_OF_STATUS: Mapping[int, str] = {
    UnauthorizedError.status_code: "WWW-Authenticate",
    ForbiddenError.status_code: "WWW-Authenticate",
    SessionLimitExceededError.status_code: "Retry-After",
    OverloadedError.status_code: "Retry-After",
    UnsupportedMediaTypeError.status_code: "Accept-Encoding",
}
_NAMES: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    413: "BodyTooLarge",
    415: "UnsupportedMediaType",
    422: "InvalidInput",
    429: "TooManyRequests",
    431: "HeadersTooLarge",
    500: "InternalError",
    501: "NotImplemented",
    503: "Unavailable",
    504: "TimedOut",
}
"""By status, what the document calls its refusals."""
_PROTOCOL: Mapping[HTTPStatus, str] = {
    HTTPStatus.REQUEST_TIMEOUT: "the request did not arrive in time",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the request line and headers are too large",
    HTTPStatus.NOT_IMPLEMENTED: "Transfer-Encoding: only chunked is understood",
}
"""Refusals of requests before any operation is looked for: they close the connection."""


def refusals(errors: Iterable[type[KatoError]]) -> dict[str, Any]:
    """By status, the answers as which *errors* are rendered."""
    by_status: dict[int, list[type[KatoError]]] = {}
    for error in dict.fromkeys(errors):
        by_status.setdefault(error.status_code, []).append(error)
    examples = {status: _examples(classes) for status, classes in by_status.items()}
    for status, text in _PROTOCOL.items():
        example = {"value": _example("VALIDATION_ERROR", text, retryable=False)}
        examples.setdefault(status, {})["VALIDATION_ERROR"] = example
    return {str(int(each)): _refusal(HTTPStatus(each), examples[each]) for each in sorted(examples)}


def share_refusals(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Replace the refusals in *paths* by references to what this returns.

    Returns:
        By a name, each different refusal; thousands of lines would repeat them otherwise.
    """
    names: dict[str, str] = {}
    shared: dict[str, Any] = {}
    for path in paths.values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if not _is_refusal(answer):
                    continue
                description = answer["description"]
                if description not in names:
                    names[description] = _free_name(_NAMES[int(status)], shared)
                    shared[names[description]] = answer
                reference = {"$ref": f"#/components/responses/{names[description]}"}
                operation["responses"][status] = reference
    return shared


def _is_refusal(answer: Mapping[str, Any]) -> bool:
    schema = answer["content"].get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == f"#/components/schemas/{REFUSAL}")


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    """*name*, with a number if another refusal has it."""
    numbered = (name, *(f"{name}{number}" for number in range(2, 100)))
    return next(one for one in numbered if one not in taken)


def header_references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _examples(classes: Iterable[type[KatoError]]) -> dict[str, Any]:
    return {
        error.code: {"value": _example(error.code, message(error), retryable=error.retryable)}
        for error in classes
    }


def _refusal(status: HTTPStatus, examples: Mapping[str, Any]) -> dict[str, Any]:
    more = (_OF_STATUS[status],) if status in _OF_STATUS else ()
    schema = {"$ref": f"#/components/schemas/{REFUSAL}"}
    return {
        "description": f"{status.phrase}: {', '.join(examples)}",
        "headers": header_references("X-Request-ID", *more, "X-Session-ID", *RATES),
        "content": {"application/json": {"schema": schema, "examples": dict(examples)}},
    }


def _example(code: str, text: str, *, retryable: bool) -> dict[str, Any]:
    error = {
        "code": code,
        "message": text,
        "retryable": retryable,
        "request_id": "5f2b9c1e7a3d4e60",
        "details": [],
    }
    return {"error": error, "detail": text}
