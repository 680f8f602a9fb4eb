"""WebSockets of a service, as tests hold a conversation over them."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 60.0
Frame = dict[str, Any]


class Socket:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def ask(self, kind: str, **frame: Any) -> Frame:
        """The next frame after sending one of this type."""
        self.connection.send(json.dumps({"type": kind, **frame}))
        return self.next()

    def send(self, raw: str | bytes) -> Frame:
        self.connection.send(raw)
        return self.next()

    def next(self) -> Frame:
        frame: Frame = json.loads(self.connection.recv(timeout=PATIENCE_S))
        return frame


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Socket]:
    """A socket at the address of an operation (``http://…/ws``)."""
    options = {"open_timeout": PATIENCE_S, "close_timeout": PATIENCE_S, "max_size": None, **options}
    with connect(url.replace("http", "ws", 1), **options) as connection:
        yield Socket(connection)


def carrying(credential: str) -> list[str]:
    """The sub-protocols that carry a credential, as a page offers them."""
    text = urlsafe_b64encode(credential.encode()).decode().rstrip("=")
    return ["kato", f"kato.key.{text}"]
