"""The connections to Redis as a store pool, and what failures of commands mean."""

from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.connections.redis_errors import (
    AuthenticationError,
    LoadingError,
    NodeDownError,
    NotSentError,
    PartDownError,
    ReadOnlyError,
    RedisError,
    RefusedError,
    SilentError,
)
from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import StoreRefusedError, StoreUnavailableError

REFUSED_CREDENTIALS = "redis rejects the user or password of REDIS_URL, or requires them"


class RedisConnectionPool:
    name = "redis"
    backend = "redis"

    def __init__(self, options: RedisOptions) -> None:
        self.client = RedisClient(options)

    async def open(self) -> None:
        """Do nothing: connections are made on first use."""

    async def check(self) -> None:
        try:
            await self.client.call("PING")
        except AuthenticationError as exc:
            raise StoreUnavailableError(REFUSED_CREDENTIALS) from exc
        except LoadingError as exc:
            raise StoreUnavailableError("redis is loading its data") from exc
        except RefusedError as exc:  # a Redis that cannot write to its disk refuses even a PING
            raise StoreRefusedError(f"redis refused a PING: {exc.code}") from exc
        except NotSentError as exc:
            raise StoreUnavailableError(f"redis cannot be reached: {exc}") from exc
        except RedisError as exc:
            raise StoreUnavailableError("redis did not answer") from exc

    def usage(self) -> PoolUsage:
        return self.client.usage()

    async def close(self) -> None:
        await self.client.close()


def is_failure(exc: Exception) -> bool:
    """Whether Redis as a whole did not answer or lets nobody in: a failure for its circuit."""
    silent = isinstance(exc, SilentError) and not isinstance(exc, NodeDownError)
    return silent or isinstance(exc, (AuthenticationError, LoadingError))


def is_of_one_node(exc: BaseException) -> bool:
    """Whether only a part of a cluster did not answer, or is failing over."""
    return isinstance(exc, (NodeDownError, PartDownError, ReadOnlyError))


def is_worth_repeating(exc: BaseException) -> bool:
    """Whether nothing ran, and Redis may answer a moment later."""
    return isinstance(exc, (SilentError, LoadingError))
