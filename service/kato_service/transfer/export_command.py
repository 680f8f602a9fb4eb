"""``kato-service export``: a knowledge base as a file."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kato_service.domain.deadline import Deadline
from kato_service.domain.identity import processor_id_of
from kato_service.errors import TransferError
from kato_service.knowledge.snapshots.atomic_file import atomic_file
from kato_service.portable.file import write
from kato_service.portable.importing import READING_TIMEOUT_S
from kato_service.settings.settings import Settings
from kato_service.transfer.arguments import ENVIRONMENT, user
from kato_service.transfer.report import say
from kato_service.transfer.target import knowledge_base, vectors_to_read

_EXITS = """exit codes: 0 done; 2 refused; 3 a store did not answer; 130 interrupted. The
file of -o is only written with 0."""


def add_export(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "export",
        help="export knowledge to a file",
        description="Export a knowledge base, with its vectors, as gzip-compressed JSON lines: the"
        f" same knowledge always gives the same bytes. The service may be running. {ENVIRONMENT}",
        epilog=_EXITS,
    )
    parser.add_argument(
        "--user",
        metavar="ID",
        type=user,
        help="export the knowledge base of this user instead of the instance's",
    )
    parser.add_argument(
        "-o",
        dest="out",
        metavar="FILE",
        type=Path,
        help="the file to write (default: standard output)",
    )
    parser.add_argument(
        "--without-vectors",
        action="store_true",
        help="leave vectors out; older versions of this program read such a file",
    )
    parser.set_defaults(run=_export)
    return parser


async def _export(given: argparse.Namespace, settings: Settings) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    if given.out is None and (sys.stdout is None or sys.stdout.isatty()):
        raise TransferError("-o: give a file; standard output is a terminal, or closed")
    async with knowledge_base(kb, settings) as base:
        async with base.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
            copy = reading.copied()
        say(f"exporting knowledge base {kb!r} at revision {copy.revision}")
        vectors = None if given.without_vectors else vectors_to_read(settings, kb, copy.cleared)
        with _output(given.out) as out:
            done = await write(copy, kb, out, vectors)
    say(
        f"{done.patterns} patterns, {done.corrected_symbols} corrected symbols,"
        f" {done.vectors} vectors"
    )
    say(f"sha256 of the lines: {done.digest}")
    say(f"to import it into another instance: kato-service import {given.out or 'FILE'}")
    return 0


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all; None: standard output."""
    try:
        if path is None:
            with open(sys.stdout.fileno(), "wb", closefd=False) as out:
                yield out
            return
        if path.exists() and not path.is_file():
            raise TransferError(
                f"-o: {str(path)!r} cannot be written, since it is not a regular file; give another"
                " path, or omit -o for standard output"
            )
        with atomic_file(path) as file:
            yield file
    except OSError as exc:
        where = "standard output" if path is None else f"-o: {str(path)!r}"
        raise TransferError(f"{where} cannot be written ({exc.strerror})") from exc
