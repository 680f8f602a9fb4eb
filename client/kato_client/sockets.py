"""WebSockets of the package websockets, which the extra `subscribe` installs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kato_client.errors import ConnectionFailedError
from kato_client.requests import answer

OPTIONS: Mapping[str, Any] = {
    "open_timeout": 10.0,
    "close_timeout": 2.0,
    "ping_interval": 20.0,
    "ping_timeout": 20.0,
    "max_size": None,
}
"""Seconds; a connection that gives no sign of life for 40 s is broken. An instance bounds what it
predicts, and it is trusted with that."""


def asynchronous() -> Callable[..., Any]:
    """The function that connects from a coroutine.

    Raises:
        ImportError: The package is missing; the message says how to install it.
    """
    try:
        from websockets.asyncio.client import connect
    except ImportError as exc:
        raise _missing() from exc
    return connect


def synchronous() -> Callable[..., Any]:
    """The function that connects from a thread; raises ImportError like `asynchronous`."""
    try:
        from websockets.sync.client import connect
    except ImportError as exc:
        raise _missing() from exc
    return connect


@contextmanager
def failures_of(url: str) -> Iterator[None]:
    """Turn the exceptions of websockets into ours: refusals of HTTP into those of requests."""
    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        yield
    except InvalidStatus as exc:
        response = exc.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        answer(max(400, response.status_code), headers, bytes(response.body or b""))
        raise
    except (WebSocketException, OSError, EOFError) as exc:
        raise ConnectionFailedError(
            f"{url} did not answer ({str(exc) or type(exc).__name__}): check the address, and that"
            " the instance is ready"
        ) from exc


def _missing() -> ImportError:
    return ImportError("subscriptions need another package: pip install 'kato-client[subscribe]'")
