"""Every error the service answers with or stops on.

KatoError
├── InvalidInputError            422 VALIDATION_ERROR
│   ├── VectorDimensionError     422 VECTOR_DIMENSION
│   ├── VectorsDisabledError     422 VECTORS_DISABLED
│   └── LimitExceededError       422 LIMIT_EXCEEDED
├── EmptyStmError                400 EMPTY_STM
├── UnauthorizedError            401 UNAUTHORIZED
├── ForbiddenError               403 FORBIDDEN
├── NotFoundError                404 NOT_FOUND
│   ├── SessionNotFoundError     404 SESSION_NOT_FOUND
│   ├── PatternNotFoundError     404 PATTERN_NOT_FOUND
│   └── VectorNotFoundError      404 VECTOR_NOT_FOUND
├── BodyTooLargeError            413 BODY_TOO_LARGE
├── UnsupportedMediaTypeError    415 UNSUPPORTED_MEDIA_TYPE
├── SessionLimitExceededError    429 SESSION_LIMIT_EXCEEDED
├── StoreUnavailableError        503 STORE_UNAVAILABLE
│   ├── StoreRefusedError        503 STORE_UNAVAILABLE (it answers, and refuses for now)
│   ├── OutcomeUnknownError      503 STORE_UNAVAILABLE (it may have happened; repeating is safe)
│   └── VectorsClearedError      503 STORE_UNAVAILABLE (a clear came between; repeating is safe)
├── OverloadedError              503 OVERLOADED
├── DeadlineExceededError        504 DEADLINE_EXCEEDED
├── TransferError                stops an import or export, nothing is changed
│   └── SourceChangedError       stops an import in the middle
└── SettingsError                stops the start with one line
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class KatoError(Exception):
    """Root of the tree; its message is safe to show to a client."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status_code: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidInputError(KatoError):
    code = "VALIDATION_ERROR"
    status_code = 422


class VectorDimensionError(InvalidInputError):
    code = "VECTOR_DIMENSION"

    @classmethod
    def between(cls, sent: int, known: int) -> "VectorDimensionError":
        return cls(
            f"a vector of dimension {sent} was sent,"
            f" vectors of this knowledge base have dimension {known}"
        )


class VectorsDisabledError(InvalidInputError):
    code = "VECTORS_DISABLED"


class LimitExceededError(InvalidInputError):
    code = "LIMIT_EXCEEDED"


class EmptyStmError(KatoError):
    code = "EMPTY_STM"
    status_code = 400


class UnauthorizedError(KatoError):
    code = "UNAUTHORIZED"
    status_code = 401


class ForbiddenError(KatoError):
    code = "FORBIDDEN"
    status_code = 403


class NotFoundError(KatoError):
    code = "NOT_FOUND"
    status_code = 404


class SessionNotFoundError(NotFoundError):
    code = "SESSION_NOT_FOUND"


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
    def of(cls, whose: str) -> "SessionLimitExceededError":
        """*whose*: instance or user."""
        return cls(f"there are as many live sessions of this {whose} as it may have")


class StoreUnavailableError(KatoError):
    """A store did not answer, and what was asked of it did not happen."""

    code = "STORE_UNAVAILABLE"
    status_code = 503
    retryable = True
    retry_after_s = 1


class StoreRefusedError(StoreUnavailableError):
    """A store answered, and refuses for now: its disk is full, say."""


class OutcomeUnknownError(StoreUnavailableError):
    """A store did not answer, and what was asked of it may have happened."""


class VectorsClearedError(StoreUnavailableError):
    """The collection of a knowledge base went while it was written: refresh and repeat."""


class OverloadedError(KatoError):
    """This process has as much to do as it may; what was asked was not begun."""

    code = "OVERLOADED"
    status_code = 503
    retryable = True
    retry_after_s = 1

    def __init__(self, limit: str, message: str) -> None:
        """*limit*: requests, bodies, session, matching or knowledge, as metrics say it."""
        super().__init__(message)
        self.limit = limit


class DeadlineExceededError(KatoError):
    code = "DEADLINE_EXCEEDED"
    status_code = 504
    retryable = True


class SettingsError(KatoError):
    """A wrong environment variable: one line naming it, its problem and what is accepted."""


class TransferError(KatoError):
    """An import or export that is refused; nothing was changed. The message says what to do."""


class SourceChangedError(TransferError):
    """What is imported is no longer what it was when the import began; half of it is in."""
