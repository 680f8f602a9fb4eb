"""Exports and imports of knowledge as files, begun again when they are cut off."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from kato_client import answers, transfers
from kato_client.asynchronous.connection import AsyncConnection
from kato_client.asynchronous.seam import blocking
from kato_client.attempts import Attempts
from kato_client.requests import NDJSON, Request
from kato_client.transfers import Progress


async def exported(
    connection: AsyncConnection, request: Request, path: Path, progress: Progress | None
) -> answers.Exported:
    """What the file at *path* holds, which *request* exports to it."""
    return await connection.repeated(partial(_exported, connection, request, path, progress))


async def imported(
    connection: AsyncConnection, request: Request, path: Path, progress: Progress | None
) -> answers.Imported:
    """What became of the file at *path*, which *request* imports."""
    return await connection.repeated(partial(_imported, connection, request, path, progress))


async def _exported(
    connection: AsyncConnection,
    request: Request,
    path: Path,
    progress: Progress | None,
    attempts: Attempts,
) -> answers.Exported:
    file = transfers.ExportFile(path)
    try:
        await blocking(file.open)
        async with aclosing(connection.pieces(request)) as pieces:
            async for piece in pieces:
                await blocking(file.add, piece)
                attempts.reached(file.received)
                if progress is not None:
                    progress(file.moved)
        await blocking(file.keep)
    finally:
        await blocking(file.discard)
    return answers.Exported.of(file.counts)


async def _imported(
    connection: AsyncConnection,
    request: Request,
    path: Path,
    progress: Progress | None,
    attempts: Attempts,
) -> answers.Imported:
    outcome = transfers.ImportOutcome()
    file = transfers.ImportFile(path)
    try:
        await blocking(file.open)
        described = {"Content-Type": NDJSON, **file.headers}
        async with (
            aclosing(_sent(file, attempts)) as sent,
            aclosing(connection.pieces(request, sent, described)) as pieces,
        ):
            async for piece in pieces:
                outcome.add(piece)
                attempts.reached(outcome.moved.done, file.sent)
                if progress is not None:
                    progress(outcome.moved)
        outcome.end()
    finally:
        await blocking(file.close)
    return answers.Imported.of(outcome.counts)


async def _sent(file: transfers.ImportFile, attempts: Attempts) -> AsyncGenerator[bytes, None]:
    while piece := await blocking(file.read):
        yield piece
        attempts.reached(0, file.sent)
