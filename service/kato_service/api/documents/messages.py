"""A message for each error code, as an example for the OpenAPI documents."""

from collections.abc import Mapping

from kato_service.errors import KatoError

_MESSAGES: Mapping[str, str] = {
    "AUTH_UNAVAILABLE": "the key of the token is not known, and its issuer cannot be asked;"
    " retry later",
    "BODY_TOO_LARGE": "the body exceeds 8388608 bytes (MAX_BODY_BYTES); send less at once",
    "CROSS_ORIGIN": "a page of another origin sent this request; to allow that, add its origin to"
    " CORS_ORIGINS of this instance",
    "DEADLINE_EXCEEDED": "the session store did not answer before the deadline",
    "EMPTY_STM": "the short-term memory (STM) is empty; observe something before learning",
    "FORBIDDEN": "this call needs the scope write; key 'dashboard' has read",
    "HOST_NOT_ALLOWED": "this instance listens on a loopback address and answers only requests for"
    " localhost; use http://localhost, or list the address in CORS_ORIGINS",
    "INTERNAL_ERROR": "unexpected error in the service; report the request_id",
    "LIMIT_EXCEEDED": "strings: an event may have at most 1024; split it into several events",
    "MATCHING_BUDGET_EXCEEDED": "this prediction takes too long to compute; use fewer symbols or a"
    " higher recall_threshold",
    "NOT_FOUND": "not found: there is no operation at this path; /docs lists all operations",
    "OVERLOADED": "2000 requests are in progress, as many as MAX_REQUESTS_IN_FLIGHT allows;"
    " retry later",
    "PATTERN_NOT_FOUND": "pattern not found: this knowledge base has none of that name",
    "RATE_LIMITED": "too many requests; retry after 1 s",
    "SESSION_LIMIT_EXCEEDED": "session limit reached for this user (100); delete a session or raise"
    " MAX_SESSIONS_PER_USER",
    "SESSION_NOT_FOUND": "session not found or expired; create a new one",
    "STORE_UNAVAILABLE": "redis did not answer",
    "UNAUTHORIZED": "an API key is required: X-API-Key or Authorization: Bearer",
    "UNIQUE_ID_REUSED": "unique_id: it belongs to another request of this session; nothing was"
    " changed",
    "UNSUPPORTED_MEDIA_TYPE": "the body must be JSON; send Content-Type: application/json",
    "USER_NOT_FOUND": "user not found: nothing is stored for this user",
    "VALIDATION_ERROR": "the request is not valid",
    "VECTOR_LIMIT_EXCEEDED": "limit of knowledge bases with vectors reached for this instance"
    " (1000); clear-all those of users who need theirs no more, or raise"
    " MAX_VECTOR_KNOWLEDGE_BASES",
    "VECTORS_DISABLED": "vectors: this instance takes none",
    "VECTOR_DIMENSION": "vectors: dimension 3 does not fit this knowledge base, whose vectors have"
    " dimension 2",
    "VECTOR_NOT_FOUND": "this knowledge base has no vector of that symbol",
}


def message(error: type[KatoError]) -> str:
    """An example of what *error* says."""
    return _MESSAGES[error.code]
