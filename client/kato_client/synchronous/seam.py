"""What differs between both clients in more than `await`; written by hand in both packages."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from kato_client import sockets

P = ParamSpec("P")
R = TypeVar("R")
sleep = time.sleep


def blocking(work: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """What *work* returns, which may wait for a disk."""
    return work(*given, **named)


class Socket:
    """A WebSocket to an instance. It asks for signs of life while it waits."""

    def __init__(self, url: str, opened: Any) -> None:
        self._url, self._opened = url, opened

    def send(self, frame: str) -> None:
        with sockets.failures_of(self._url):
            self._opened.send(frame)

    def receive(self) -> str:
        """The next frame."""
        with sockets.failures_of(self._url):
            return str(self._opened.recv())


@contextmanager
def socket_to(url: str, headers: dict[str, str], tls: ssl.SSLContext | None) -> Iterator[Socket]:
    """A WebSocket that is closed at the end."""
    connect = sockets.synchronous()
    with sockets.failures_of(url):
        # Some versions connect when `connect` is called, later ones at the `with`.
        opening = connect(url, additional_headers=headers, ssl=tls, **sockets.OPTIONS)
        opened = opening.__enter__()
    try:
        yield Socket(url, opened)
    finally:
        opening.__exit__(None, None, None)
