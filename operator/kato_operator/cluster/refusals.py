"""What it means when the API server refuses a request, or does not answer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from kato_operator.errors import (
    ConflictError,
    ExpiredError,
    KubeError,
    MissingError,
    RefusedError,
    TransientError,
)

UNCHANGEABLE = ("immutable", "may not change once set")
"""What the API server says of a field that cannot change."""


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise TransientError where the API server does not answer."""
    try:
        yield
    except TimeoutError as exc:
        raise TransientError("the API server did not answer in time") from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise TransientError(f"the API server cannot be reached: {exc}") from exc


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> KubeError:
    """The error that an answer with a status of 300 or more stands for."""
    message, reasons = _explained(body, status)
    if status == 404:
        return MissingError(message, status=status)
    if status == 403 and "NamespaceTerminating" in reasons:
        return TransientError(message, status=status)
    if status == 409:
        return ConflictError(message, status=status)
    if status == 410:
        return ExpiredError(message, status=status)
    if status in (401, 408, 429) or status >= 500:
        return TransientError(message, status=status, retry_after_s=_retry_after_s(headers))
    return RefusedError(message, status=status, is_immutable=_is_immutable(body))


def _explained(body: bytes, status: int) -> tuple[str, frozenset[str]]:
    try:
        answer = json.loads(body)
        causes = (answer.get("details") or {}).get("causes") or ()
        reasons = {answer.get("reason", ""), *(cause.get("reason", "") for cause in causes)}
        return str(answer.get("message", status)), frozenset(reasons)
    except (ValueError, AttributeError):
        return f"the API server returned {status}", frozenset()


def _is_immutable(body: bytes) -> bool:
    """Whether a request was refused for nothing but fields that cannot change."""
    try:
        causes = (json.loads(body).get("details") or {}).get("causes") or ()
        told = [str(cause.get("message", "")) for cause in causes]
    except (ValueError, AttributeError):
        return False
    return bool(told) and all(any(word in text for word in UNCHANGEABLE) for text in told)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0
