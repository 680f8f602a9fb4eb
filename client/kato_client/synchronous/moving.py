# Generated from asynchronous/moving.py by `make client`: change that one.
"""Exports and imports of knowledge as files, begun again when they are cut off."""

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path

from kato_client import answers, transfers
from kato_client.attempts import Attempts
from kato_client.requests import NDJSON, Request
from kato_client.synchronous.connection import Connection
from kato_client.synchronous.seam import blocking
from kato_client.transfers import Progress


def exported(
    connection: Connection, request: Request, path: Path, progress: Progress | None
) -> answers.Exported:
    """What the file at *path* holds, which *request* exports to it."""
    return connection.repeated(partial(_exported, connection, request, path, progress))


def imported(
    connection: Connection, request: Request, path: Path, progress: Progress | None
) -> answers.Imported:
    """What became of the file at *path*, which *request* imports."""
    return connection.repeated(partial(_imported, connection, request, path, progress))


def _exported(
    connection: Connection,
    request: Request,
    path: Path,
    progress: Progress | None,
    attempts: Attempts,
) -> answers.Exported:
    file = transfers.ExportFile(path)
    try:
        blocking(file.open)
        with closing(connection.pieces(request)) as pieces:
            for piece in pieces:
                blocking(file.add, piece)
                attempts.reached(file.received)
                if progress is not None:
                    progress(file.moved)
        blocking(file.keep)
    finally:
        blocking(file.discard)
    return answers.Exported.of(file.counts)


def _imported(
    connection: Connection,
    request: Request,
    path: Path,
    progress: Progress | None,
    attempts: Attempts,
) -> answers.Imported:
    outcome = transfers.ImportOutcome()
    file = transfers.ImportFile(path)
    try:
        blocking(file.open)
        described = {"Content-Type": NDJSON, **file.headers}
        with (
            closing(_sent(file, attempts)) as sent,
            closing(connection.pieces(request, sent, described)) as pieces,
        ):
            for piece in pieces:
                outcome.add(piece)
                attempts.reached(outcome.moved.done, file.sent)
                if progress is not None:
                    progress(outcome.moved)
        outcome.end()
    finally:
        blocking(file.close)
    return answers.Imported.of(outcome.counts)


def _sent(file: transfers.ImportFile, attempts: Attempts) -> Generator[bytes, None]:
    while piece := blocking(file.read):
        yield piece
        attempts.reached(0, file.sent)
