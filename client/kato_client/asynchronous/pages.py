"""Lists that arrive in pages."""

from collections.abc import AsyncIterator
from typing import TypeVar

from kato_client.asynchronous.connection import AsyncConnection
from kato_client.records import Record
from kato_client.requests import get

R = TypeVar("R", bound=Record)
PAGE = 500


async def items(
    connection: AsyncConnection, path: str, name: str, kind: type[R], **query: str | int | None
) -> AsyncIterator[R]:
    """All items of the list *name*; each page is asked for when the one before it is used up."""
    cursor: str | None = None
    while True:
        page = await connection.call(get(path, limit=PAGE, cursor=cursor, **query))
        for item in page[name]:
            yield kind.of(item)
        cursor = page["next_cursor"]
        if cursor is None:
            return
