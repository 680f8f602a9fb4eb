"""Errors of Redis and its driver, mapped to ours with what a person can do about them."""

from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError

from kato_service.connections.redis_pool import (
    REFUSED_CREDENTIALS,
    is_busy,
    is_of_one_node,
    is_unanswered,
)
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError

_FIXES = {
    "MISCONF": "redis cannot write to its disk and changed nothing; free space on its volume",
    "READONLY": "this redis is a replica and accepts no writes; retry after its failover",
    "WRONGTYPE": "redis holds other data under keys of this instance; give the instance another"
    " PROCESSOR_ID, or its own Redis",
    "NOPERM": "redis does not let its user run what the service needs; allow it all commands on the"
    " keys of this instance",
}
"""By the word with which Redis' refusal begins."""


def of_all(exc: Exception) -> bool:
    """Whether the whole store did not answer, which counts as a failure for its circuit."""
    return is_unanswered(exc) and not is_of_one_node(exc)


def mapped(exc: Exception) -> StoreUnavailableError:
    """The error to raise for *exc*: what it means for the request, and what to do."""
    if is_busy(exc):
        return StoreUnavailableError(
            "all connections to redis are in use; retry later, or raise REDIS_POOL_SIZE"
        )
    if isinstance(exc, AuthenticationError):
        return StoreUnavailableError(REFUSED_CREDENTIALS)
    if is_unanswered(exc):
        return OutcomeUnknownError("redis did not answer")
    if isinstance(exc, OutOfMemoryError):
        return StoreUnavailableError(
            "redis is full and changed nothing; give it more memory, or delete sessions"
        )
    if isinstance(exc, ReadOnlyError):
        return StoreUnavailableError(_FIXES["READONLY"])
    if is_of_one_node(exc):
        return StoreUnavailableError("part of the redis cluster is unavailable; retry later")
    word = str(exc).split(" ")[0]
    return StoreUnavailableError(_FIXES.get(word, f"redis refused the command: {word}"))
