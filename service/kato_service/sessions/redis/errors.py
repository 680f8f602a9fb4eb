"""Errors of Redis, mapped to ours with what a person can do about them."""

from kato_service.connections.redis_errors import (
    AuthenticationError,
    BusyError,
    RedisError,
    RefusedError,
    SilentError,
)
from kato_service.connections.redis_pool import REFUSED_CREDENTIALS, is_of_one_node
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError

_FIXES = {
    "LOADING": "redis is loading its data; retry later",
    "MISCONF": "redis cannot write to its disk and changed nothing; free space on its volume",
    "NOPERM": "redis does not let its user run what the service needs; allow it all commands on the"
    " keys of this instance",
    "OOM": "redis is full and changed nothing; give it more memory, or delete sessions",
    "READONLY": "this redis is a replica and accepts no writes; retry after its failover",
    "WRONGTYPE": "redis holds other data under keys of this instance; give the instance another"
    " PROCESSOR_ID, or its own Redis",
}
"""By the code with which Redis' refusal begins."""


def mapped(exc: RedisError) -> StoreUnavailableError:
    """The error to raise for *exc*: what it means for the request, and what to do."""
    if isinstance(exc, SilentError):
        if exc.may_have_run:
            return OutcomeUnknownError("redis did not answer")
        return StoreUnavailableError("redis did not answer; retry later")
    if isinstance(exc, BusyError):
        return StoreUnavailableError(
            "too much waits to be sent to redis; retry later, or send smaller requests"
        )
    if isinstance(exc, AuthenticationError):
        return StoreUnavailableError(REFUSED_CREDENTIALS)
    assert isinstance(exc, RefusedError)
    known = _FIXES.get(exc.code)
    if known is None and is_of_one_node(exc):
        return StoreUnavailableError("part of the redis cluster is unavailable; retry later")
    return StoreUnavailableError(known or f"redis refused the command: {exc.code}")
