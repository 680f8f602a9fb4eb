"""What calls raise. Every message ends with the fix.

```
KatoError
├── ConnectionFailedError       no answer came: unreachable, cut off, or too slow
└── AnswerError                 the instance refused or failed
    ├── InvalidRequestError     400, 405, 413, 415, 422: fix what `details` names
    ├── UnauthorizedError       401
    ├── ForbiddenError          403
    ├── NotFoundError           404
    ├── LimitReachedError       429: a limit on sessions, vectors or requests
    └── UnavailableError        408 and 5xx
```
"""

from collections.abc import Mapping, Sequence
from typing import Any

_FIXES: Mapping[str, str] = {
    "AUTH_UNAVAILABLE": "try again later; the instance cannot reach the issuer of the token",
    "BODY_TOO_LARGE": "send less at once",
    "DEADLINE_EXCEEDED": "try again; if it happens often, the instance has too much to do",
    "EMPTY_STM": "observe something before you learn",
    "FORBIDDEN": "use credentials with the scope, or for the user, that the message names",
    "INTERNAL_ERROR": "this is a bug of KATO; report the request_id",
    "MATCHING_BUDGET_EXCEEDED": "observe fewer symbols, raise recall_threshold, or ask for fewer"
    " predictions",
    "OVERLOADED": "send fewer requests at once, or add replicas",
    "RATE_LIMITED": "send less often; retry_after_s says when to try again",
    "SESSION_LIMIT_EXCEEDED": "delete sessions that are no longer needed, or raise the limit",
    "SESSION_NOT_FOUND": "create a new session; this one was deleted or has expired",
    "STORE_UNAVAILABLE": "try again later; GET /health of the instance says which store is down",
    "UNAUTHORIZED": "pass api_key or token to the client",
    "UNIQUE_ID_REUSED": "use a new unique_id for each request, or let the client choose it",
    "VECTORS_DISABLED": "send no vectors to this instance",
    "VECTOR_DIMENSION": "send vectors with as many components as the user's first vector has",
    "VECTOR_LIMIT_EXCEEDED": "clear users whose vectors are no longer needed, or raise the limit",
}
_RETRYABLE_OF_OTHERS = frozenset({408, 429, 502, 503, 504})
"""Statuses with which proxies, whose answers say no more, ask for a repeat."""


class KatoError(Exception):
    """Anything that a call raises because of the instance or the way to it."""


class ConnectionFailedError(KatoError):
    """No answer came: the instance could not be reached, or the connection broke.

    Whether the request was applied is unknown. The attempts of one call share a `unique_id`, so
    they count once together; the same call made anew counts again, unless you pass its `unique_id`.
    """

    retryable: bool
    """Whether another attempt may succeed."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class AnswerError(KatoError):
    """The instance answered with an error."""

    status: int
    """HTTP status."""
    code: str
    """Names the kind of error, such as ``SESSION_NOT_FOUND``; programs decide by it."""
    details: Sequence[Mapping[str, Any]]
    """Up to 20 findings, such as the `location` and the `reason` of each wrong value."""
    request_id: str | None
    """Finds the request in the log of the instance."""
    retry_after_s: float | None
    """Seconds after which to try again, if the instance said it."""
    retryable: bool
    """Whether the same request may succeed later."""
    fix: str
    """What to do; empty where the message says it."""

    def __init__(
        self,
        error: Mapping[str, Any],
        *,
        status: int,
        retry_after_s: float | None = None,
    ) -> None:
        """*error* is the `error` of the answer's envelope; empty if the answer has none."""
        self.status, self.retry_after_s = status, retry_after_s
        self.code = str(error.get("code", "UNKNOWN"))
        self.details = error.get("details") or ()
        self.request_id = error.get("request_id")
        self.retryable = bool(error.get("retryable", status in _RETRYABLE_OF_OTHERS))
        self.fix = _FIXES.get(self.code, "")
        message = str(error.get("message", f"the answer has status {status}"))
        super().__init__(f"{message} ({self.code}){self.fix and f': {self.fix}'}")


class InvalidRequestError(AnswerError):
    """The request is wrong: `details` says where and why."""


class UnauthorizedError(AnswerError):
    """The instance asks for credentials, or does not know these."""


class ForbiddenError(AnswerError):
    """The credentials do not allow it."""


class NotFoundError(AnswerError):
    """There is no such session, pattern, vector, user or path."""


class LimitReachedError(AnswerError):
    """A limit of the instance is reached."""


class UnavailableError(AnswerError):
    """The instance cannot do it now, or failed."""


KINDS: Mapping[int, type[AnswerError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: InvalidRequestError,
    408: UnavailableError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: LimitReachedError,
}
"""The class by status; statuses from 500 on are `UnavailableError`."""


_STATUSES: Mapping[str, int] = {
    "FORBIDDEN": 403,
    "PATTERN_NOT_FOUND": 404,
    "RATE_LIMITED": 429,
    "SESSION_NOT_FOUND": 404,
    "UNAUTHORIZED": 401,
}


def coded_error(error: Mapping[str, Any], retry_after_s: float | None = None) -> AnswerError:
    """The exception for an error without a status of its own: in a frame, or inside an answer."""
    of_the_rest = 503 if error.get("retryable") else 422
    status = _STATUSES.get(str(error.get("code")), of_the_rest)
    return answer_error(error, status=status, retry_after_s=retry_after_s)


def answer_error(
    error: Mapping[str, Any], *, status: int, retry_after_s: float | None = None
) -> AnswerError:
    """The exception for an answer with this status."""
    of_the_rest: type[AnswerError] = UnavailableError if status >= 500 else AnswerError
    kind = KINDS.get(status, of_the_rest)
    return kind(error, status=status, retry_after_s=retry_after_s)
