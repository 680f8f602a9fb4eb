"""Every error that a client can receive, or that stops a start, an import or an export.

KatoError
├── InvalidInputError            422 VALIDATION_ERROR
│   ├── VectorDimensionError     422 VECTOR_DIMENSION
│   ├── VectorsDisabledError     422 VECTORS_DISABLED
│   ├── UniqueIdReusedError      422 UNIQUE_ID_REUSED
│   └── LimitExceededError       422 LIMIT_EXCEEDED
├── EmptyStmError                400 EMPTY_STM
├── MalformedRequestError        400 VALIDATION_ERROR
├── UnauthorizedError            401 UNAUTHORIZED
├── ForbiddenError               403 FORBIDDEN
│   ├── CrossOriginError         403 CROSS_ORIGIN
│   └── HostNotAllowedError      403 HOST_NOT_ALLOWED
├── NotFoundError                404 NOT_FOUND
│   ├── SessionNotFoundError     404 SESSION_NOT_FOUND
│   ├── UserNotFoundError        404 USER_NOT_FOUND
│   ├── PatternNotFoundError     404 PATTERN_NOT_FOUND
│   └── VectorNotFoundError      404 VECTOR_NOT_FOUND
├── BodyTooLargeError            413 BODY_TOO_LARGE
├── UnsupportedMediaTypeError    415 UNSUPPORTED_MEDIA_TYPE
├── SessionLimitExceededError    429 SESSION_LIMIT_EXCEEDED
├── VectorLimitExceededError     429 VECTOR_LIMIT_EXCEEDED
├── RateLimitedError             429 RATE_LIMITED
├── StoreUnavailableError        503 STORE_UNAVAILABLE
│   ├── StoreRefusedError        503 STORE_UNAVAILABLE (the store answers, but refuses for now)
│   ├── OutcomeUnknownError      503 STORE_UNAVAILABLE (it may have happened; repeating is safe)
│   └── VectorsClearedError      503 STORE_UNAVAILABLE (another request cleared the knowledge base)
├── OverloadedError              503 OVERLOADED
├── AuthUnavailableError         503 AUTH_UNAVAILABLE
├── DeadlineExceededError        504 DEADLINE_EXCEEDED
│   ├── BodyTimeoutError         408 DEADLINE_EXCEEDED
│   └── MatchingBudgetError      504 MATCHING_BUDGET_EXCEEDED (a retry would take as long)
├── UnusableError                a file of keys or a token issuer; the last good state stays in use
├── WrongFieldError              a pattern that an import leaves out
├── TransferError                stops an import or export; nothing was changed
│   └── SourceChangedError       stops an import in the middle
└── SettingsError                stops the start with one line

Signals that one module raises for its neighbour, and that no client ever receives, are defined
there: those of Redis (connections/redis_errors.py), and two private ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from kato_service.findings import MAX_SHOWN, Finding, Part, in_body, summary


class KatoError(Exception):
    """Root of the tree.

    Args:
        message: What happened, why, and what to do; safe to show to a client.
        details: Findings with ``location`` and ``reason``, never with a value.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status_code: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None
    challenge: str | None = None
    """The value of WWW-Authenticate: what credentials would help."""

    def __init__(self, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidInputError(KatoError):
    """Something in the request is wrong; nothing changed.

    Args:
        findings: At least one; an answer shows the first of them.
        count: How many there are, if *findings* are not all.
    """

    code = "VALIDATION_ERROR"
    status_code = 422

    def __init__(self, findings: Sequence[Finding], count: int | None = None) -> None:
        self.findings = tuple(findings)
        self.count = len(self.findings) if count is None else count
        shown = [finding.content() for finding in self.findings[:MAX_SHOWN]]
        super().__init__(summary(self.findings, self.count), shown)

    @classmethod
    def at(cls, *place: Part, reason: str) -> Self:
        """One finding, at a *place* in the body; *reason* continues a sentence about it."""
        return cls((in_body(*place, reason=reason),))

    def inside(self, *outer: Part) -> Self:
        """The same about a body in which the body of this error is at *outer*."""
        return type(self)([each.inside(*outer) for each in self.findings], self.count)

    def in_line(self) -> Self:
        """The same about a line of a stream that is the body."""
        return type(self)([each.in_line() for each in self.findings], self.count)

    def in_frame(self, field: str | None = None) -> Self:
        """The same about a WebSocket frame that is the body, or has it in *field*."""
        return type(self)([each.in_frame(field) for each in self.findings], self.count)


class VectorDimensionError(InvalidInputError):
    code = "VECTOR_DIMENSION"

    @classmethod
    def between(cls, sent: int, known: int, *place: Part) -> Self:
        """A vector that does not fit, at *place*; by default the first of several, which all have
        its dimension."""
        reason = (
            f"cannot have dimension {sent} in this knowledge base, whose vectors have dimension"
            f" {known}: the first one fixed it until the next clear-all; send vectors of that"
            " dimension, or observe these as another user"
        )
        return cls.at(*(place or ("vectors", 0)), reason=reason)

    @classmethod
    def mixed(cls, sent: int, first: int, *place: Part) -> Self:
        """Two dimensions in one request; *place*: of the first vector that differs."""
        reason = (
            f"cannot have dimension {sent} next to a first vector of dimension {first}; all vectors"
            " of a knowledge base have one dimension"
        )
        return cls.at(*place, reason=reason)


class VectorsDisabledError(InvalidInputError):
    code = "VECTORS_DISABLED"


class UniqueIdReusedError(InvalidInputError):
    """The ``unique_id`` belongs to another request of the session; nothing changed."""

    code = "UNIQUE_ID_REUSED"


class LimitExceededError(InvalidInputError):
    code = "LIMIT_EXCEEDED"


class EmptyStmError(KatoError):
    code = "EMPTY_STM"
    status_code = 400


class MalformedRequestError(KatoError):
    """The head of the request cannot be understood; the connection closes after the answer."""

    code = "VALIDATION_ERROR"
    status_code = 400


class UnauthorizedError(KatoError):
    """Nobody knows who is calling."""

    code = "UNAUTHORIZED"
    status_code = 401

    def __init__(self, message: str, *, challenge: str = "Bearer") -> None:
        super().__init__(message)
        self.challenge = challenge


class ForbiddenError(KatoError):
    """The caller is known, and may not do this."""

    code = "FORBIDDEN"
    status_code = 403
    challenge: str | None = 'Bearer error="insufficient_scope"'


class CrossOriginError(ForbiddenError):
    """A page of another origin sent the request."""

    code = "CROSS_ORIGIN"
    challenge = None


class HostNotAllowedError(ForbiddenError):
    """A browser may have been led to this machine by a name that its owner does not control."""

    code = "HOST_NOT_ALLOWED"
    challenge = None


class NotFoundError(KatoError):
    code = "NOT_FOUND"
    status_code = 404


class SessionNotFoundError(NotFoundError):
    code = "SESSION_NOT_FOUND"

    def __init__(self, message: str = "session not found or expired; create a new one") -> None:
        super().__init__(message)


class UserNotFoundError(NotFoundError):
    code = "USER_NOT_FOUND"

    def __init__(self, message: str = "user not found: nothing is stored for this user") -> None:
        super().__init__(message)


class PatternNotFoundError(NotFoundError):
    code = "PATTERN_NOT_FOUND"


class VectorNotFoundError(NotFoundError):
    code = "VECTOR_NOT_FOUND"


class BodyTooLargeError(KatoError):
    code = "BODY_TOO_LARGE"
    status_code = 413


class UnsupportedMediaTypeError(KatoError):
    code = "UNSUPPORTED_MEDIA_TYPE"
    status_code = 415


class SessionLimitExceededError(KatoError):
    code = "SESSION_LIMIT_EXCEEDED"
    status_code = 429
    retryable = True
    retry_after_s = 5

    @classmethod
    def of_instance(cls, limit: int) -> "SessionLimitExceededError":
        return cls(
            f"session limit reached for this instance ({limit});"
            " delete a session or raise MAX_SESSIONS"
        )

    @classmethod
    def of_user(cls, limit: int) -> "SessionLimitExceededError":
        return cls(
            f"session limit reached for this user ({limit});"
            " delete a session or raise MAX_SESSIONS_PER_USER"
        )

    @classmethod
    def of_caller(cls, noun: str, limit: int) -> "SessionLimitExceededError":
        """*noun*: what the caller is, such as "client address"."""
        return cls(
            f"session limit reached for this {noun} ({limit}, so that it leaves some of"
            " MAX_SESSIONS to others); delete a session or raise MAX_SESSIONS"
        )

    def for_default(self) -> "SessionLimitExceededError":
        """This error as the answer to a request that needed a new default session."""
        return SessionLimitExceededError(
            "this request needs the default session of its user, which does not exist yet:"
            f" {self.message}"
        )


class VectorLimitExceededError(KatoError):
    """Too many knowledge bases have vectors."""

    code = "VECTOR_LIMIT_EXCEEDED"
    status_code = 429

    @classmethod
    def of_instance(cls, limit: int) -> "VectorLimitExceededError":
        return cls(
            f"limit of knowledge bases with vectors reached for this instance ({limit}); clear-all"
            " those of users who need theirs no more, or raise MAX_VECTOR_KNOWLEDGE_BASES"
        )

    @classmethod
    def of_caller(cls, noun: str, limit: int) -> "VectorLimitExceededError":
        """*noun*: what the caller is, such as "client address"."""
        return cls(
            f"limit of knowledge bases with vectors reached for this {noun} ({limit}, so that it"
            " leaves some of MAX_VECTOR_KNOWLEDGE_BASES to others); clear-all those of users who"
            " need theirs no more, or raise MAX_VECTOR_KNOWLEDGE_BASES"
        )


class RateLimitedError(KatoError):
    """The caller has used up its requests for now; this one was not begun."""

    code = "RATE_LIMITED"
    status_code = 429
    retryable = True

    def __init__(self, retry_after_s: int) -> None:
        details = [{"retry_after_s": retry_after_s}]
        super().__init__(f"too many requests; retry after {retry_after_s} s", details)
        self.retry_after_s = retry_after_s


class AuthUnavailableError(KatoError):
    """Credentials cannot be checked just now."""

    code = "AUTH_UNAVAILABLE"
    status_code = 503
    retryable = True
    retry_after_s = 2


class StoreUnavailableError(KatoError):
    """A store did not answer, or could not be asked; what was asked of it did not happen."""

    code = "STORE_UNAVAILABLE"
    status_code = 503
    retryable = True
    retry_after_s = 1


class StoreRefusedError(StoreUnavailableError):
    """A store answered, but refuses for now, for example because its disk is full."""


class OutcomeUnknownError(StoreUnavailableError):
    """A store did not answer; what was asked of it may have happened."""


class VectorsClearedError(StoreUnavailableError):
    """A clear dropped the collection while it was written: read the clear and repeat."""


class OverloadedError(KatoError):
    """This process is at one of its limits; what was asked was not started."""

    code = "OVERLOADED"
    status_code = 503
    retryable = True
    retry_after_s = 1

    def __init__(self, limit: str, message: str) -> None:
        """*limit*: requests, bodies, sockets, subscriptions, streams, imports, session, matching,
        knowledge (label of a metric)."""
        super().__init__(message)
        self.limit = limit


class DeadlineExceededError(KatoError):
    code = "DEADLINE_EXCEEDED"
    status_code = 504
    retryable = True


class BodyTimeoutError(DeadlineExceededError):
    """The client did not send the whole body in time."""

    status_code = 408


class MatchingBudgetError(DeadlineExceededError):
    """A prediction computes longer than one may: repeating it would take as long."""

    code = "MATCHING_BUDGET_EXCEEDED"
    retryable = False


class UnusableError(KatoError):
    """A file of keys, or what a token issuer published, cannot be read or used."""


class SettingsError(KatoError):
    """A wrong environment variable; the message is one line: name, problem, what is accepted."""


class WrongFieldError(KatoError):
    """A field of what is to be imported is wrong; the message starts with its name."""


class TransferError(KatoError):
    """An import or export was refused and changed nothing; the message says what to do."""


class SourceChangedError(TransferError):
    """The source of an import changed while it was read; a part of it was imported."""
