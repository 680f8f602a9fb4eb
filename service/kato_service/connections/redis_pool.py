"""The connections to Redis as a store pool, and what the driver's errors mean."""

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kato_service.connections.redis_client import BusyError, RedisClient, RedisOptions
from kato_service.connections.redis_cluster import NodeDownError
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
        except ResponseError as exc:  # a Redis that cannot write to its disk refuses even a PING
            raise StoreRefusedError(f"redis refused a PING: {str(exc).split(' ')[0]}") from exc
        except AuthenticationError as exc:
            raise StoreUnavailableError(REFUSED_CREDENTIALS) from exc
        except (RedisError, OSError) as exc:
            raise StoreUnavailableError("redis did not answer") from exc

    def usage(self) -> PoolUsage:
        return self.client.usage()

    async def close(self) -> None:
        await self.client.close()


def is_busy(exc: Exception) -> bool:
    """Whether no connection became free in time, so that nothing was sent."""
    return isinstance(exc, BusyError)


def is_unanswered(exc: Exception) -> bool:
    """Whether Redis did not answer, or could not be reached."""
    silent = isinstance(exc, (RedisConnectionError, RedisTimeoutError, OSError))
    return silent and not is_busy(exc)


def is_of_one_node(exc: BaseException) -> bool:
    """Whether only a part of a cluster did not answer, or is failing over."""
    return isinstance(exc, (NodeDownError, ClusterDownError, TryAgainError, ReadOnlyError))
