# Generated from asynchronous/pages.py by `make client`: change that one.
"""Lists that arrive in pages."""

from collections.abc import Iterator
from typing import TypeVar

from kato_client.records import Record
from kato_client.requests import get
from kato_client.synchronous.connection import Connection

R = TypeVar("R", bound=Record)
PAGE = 500


def items(
    connection: Connection, path: str, name: str, kind: type[R], **query: str | int | None
) -> Iterator[R]:
    """All items of the list *name*; each page is asked for when the one before it is used up."""
    cursor: str | None = None
    while True:
        page = connection.call(get(path, limit=PAGE, cursor=cursor, **query))
        for item in page[name]:
            yield kind.of(item)
        cursor = page["next_cursor"]
        if cursor is None:
            return
