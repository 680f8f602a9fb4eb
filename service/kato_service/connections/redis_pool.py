"""Connections to Redis."""

from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.observability.attributes import DB_CLIENT_CONNECTION_STATE, ConnectionState

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError, StoreRefusedError, StoreUnavailableError

_NO_CONNECTION = "No connection available."
"""By which text alone the driver tells it from a connection that broke."""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    url: str = field(repr=False)
    pool_size: int = 50
    socket_timeout_s: float = 2.0


class RedisConnectionPool:
    name = "redis"
    backend = "redis"

    def __init__(self, options: RedisOptions) -> None:
        self._max = options.pool_size
        self._pool = _pool(options)
        self.client: Redis = Redis(connection_pool=self._pool)
        """Answers bytes; repeats nothing by itself, as only its caller knows what is safe."""

    async def open(self) -> None:
        """Connections are made on first use."""

    async def check(self) -> None:
        try:
            await self.client.execute_command("PING")  # type: ignore[no-untyped-call]  # untyped there
        except ResponseError as exc:  # a Redis that cannot write to its disk refuses a PING, too
            raise StoreRefusedError(f"redis refused: {str(exc).split(' ')[0]}") from exc
        except (RedisError, OSError) as exc:
            raise StoreUnavailableError("redis did not answer") from exc

    def usage(self) -> PoolUsage:
        counts = {
            attributes[DB_CLIENT_CONNECTION_STATE]: count
            for count, attributes in self._pool.get_connection_count()
        }
        return PoolUsage(
            in_use=counts[ConnectionState.USED.value],
            idle=counts[ConnectionState.IDLE.value],
            max=self._max,
        )

    async def close(self) -> None:
        await self.client.aclose()
        await self._pool.aclose()


def is_busy(exc: Exception) -> bool:
    """Whether no connection of the pool got free in time: nothing was sent."""
    return isinstance(exc, RedisConnectionError) and str(exc) == _NO_CONNECTION


def is_unanswered(exc: Exception) -> bool:
    """Whether Redis did not answer, or could not be reached."""
    silent = isinstance(exc, (RedisConnectionError, RedisTimeoutError, OSError))
    return silent and not is_busy(exc)


def _pool(options: RedisOptions) -> BlockingConnectionPool:
    """Raises SettingsError where the URL holds what no connection takes."""
    try:
        pool = BlockingConnectionPool(**_arguments(options))
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError) as exc:
        raise SettingsError(
            "REDIS_URL: an option or the database of the URL is not known;"
            " accepted: redis://[user:password@]host[:port][/database]"
        ) from exc
    return pool


def _arguments(options: RedisOptions) -> dict[str, Any]:
    """What the URL says, where no variable says otherwise."""
    return dict(parse_url(options.url)) | {
        "max_connections": options.pool_size,
        "timeout": options.socket_timeout_s,
        "socket_timeout": options.socket_timeout_s,
        "socket_connect_timeout": options.socket_timeout_s,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
