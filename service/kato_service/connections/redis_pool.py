"""The connections to Redis as the service holds them."""

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

from kato_service.connections.redis_client import BusyError, RedisClient
from kato_service.connections.redis_client import RedisOptions as RedisOptions
from kato_service.connections.redis_cluster import NodeDownError
from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import StoreRefusedError, StoreUnavailableError

REFUSED_CREDENTIALS = "redis refuses the user or password of REDIS_URL, or asks for them"


class RedisConnectionPool:
    name = "redis"
    backend = "redis"

    def __init__(self, options: RedisOptions) -> None:
        self.client = RedisClient(options)

    async def open(self) -> None:
        """Connections are made on first use."""

    async def check(self) -> None:
        try:
            await self.client.call("PING")
        except ResponseError as exc:  # a Redis that cannot write to its disk refuses a PING, too
            raise StoreRefusedError(f"redis refused: {str(exc).split(' ')[0]}") from exc
        except AuthenticationError as exc:
            raise StoreUnavailableError(REFUSED_CREDENTIALS) from exc
        except (RedisError, OSError) as exc:
            raise StoreUnavailableError("redis did not answer") from exc

    def usage(self) -> PoolUsage:
        return self.client.usage()

    async def close(self) -> None:
        await self.client.close()


def is_busy(exc: Exception) -> bool:
    """Whether no connection got free in time: nothing was sent."""
    return isinstance(exc, BusyError)


def is_unanswered(exc: Exception) -> bool:
    """Whether Redis did not answer, or could not be reached."""
    silent = isinstance(exc, (RedisConnectionError, RedisTimeoutError, OSError))
    return silent and not is_busy(exc)


def is_of_one_node(exc: BaseException) -> bool:
    """Whether only a part of a cluster did not answer, or is changing hands."""
    return isinstance(exc, (NodeDownError, ClusterDownError, TryAgainError, ReadOnlyError))
