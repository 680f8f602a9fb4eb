"""Bulk learns: many sequences, in as few requests as they need."""

from collections.abc import Iterable
from uuid import uuid4

from kato_client import answers
from kato_client.asynchronous.connection import AsyncConnection
from kato_client.lines import Progress, Tally, parts_of
from kato_client.observations import UserSequence
from kato_client.requests import Request


async def learned(
    connection: AsyncConnection,
    sequences: Iterable[UserSequence],
    *,
    unique_id: str | None,
    progress: Progress | None,
    batch_size: int,
) -> answers.BulkLearned:
    """What became of *sequences*, which are taken as they are sent."""
    tally, found = Tally(), None
    for part in parts_of(sequences, unique_id or uuid4().hex, batch_size):
        request = Request("POST", "/v2/learn", query={"answers": "errors"}, lines=part)
        found = tally.add(await connection.call(request))
        if progress is not None:
            progress(found)
    return found or tally.so_far()
