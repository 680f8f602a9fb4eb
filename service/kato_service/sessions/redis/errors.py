"""What Redis, or the way to it, refused, as errors of our own."""

from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError

from kato_service.connections.redis_pool import (
    REFUSED_CREDENTIALS,
    is_busy,
    is_of_one_node,
    is_unanswered,
)
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError

_WAYS_OUT = {
    "MISCONF": "redis cannot write to its disk: give it room; nothing was changed",
    "READONLY": "redis is a replica that takes no writes: wait for its failover",
    "WRONGTYPE": "redis holds something else under keys of this instance: give the instance another"
    " PROCESSOR_ID, or a Redis of its own",
    "NOPERM": "redis forbids its user what the service does: allow it all commands on its keys",
}
"""By the word that its refusal begins with."""


def of_all(exc: Exception) -> bool:
    """Whether the store as a whole did not answer."""
    return is_unanswered(exc) and not is_of_one_node(exc)


def mapped(exc: Exception) -> StoreUnavailableError:
    """What *exc* means for the request, and what to do."""
    if is_busy(exc):
        return StoreUnavailableError("every connection to redis is in use: repeat later")
    if isinstance(exc, AuthenticationError):
        return StoreUnavailableError(REFUSED_CREDENTIALS)
    if is_unanswered(exc):
        return OutcomeUnknownError("redis did not answer")
    if isinstance(exc, OutOfMemoryError):
        return StoreUnavailableError(
            "redis is full: give it more memory, or end sessions; nothing was changed"
        )
    if isinstance(exc, ReadOnlyError):
        return StoreUnavailableError(_WAYS_OUT["READONLY"])
    if is_of_one_node(exc):
        return StoreUnavailableError("a part of the redis cluster does not serve now: repeat later")
    word = str(exc).split(" ")[0]
    return StoreUnavailableError(_WAYS_OUT.get(word, f"redis refused: {word}"))
