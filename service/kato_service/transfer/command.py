"""``kato-service import`` and ``kato-service export``: arguments, messages and exit codes."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TypeVar

from pydantic import TypeAdapter, ValidationError

from kato_service.api.shapes.body import UserId
from kato_service.assembly import knowledge_log, make_databases
from kato_service.connections.mongo_pool import MongoConnectionPool
from kato_service.domain.deadline import Deadline
from kato_service.domain.identity import processor_id_of
from kato_service.errors import (
    DeadlineExceededError,
    SettingsError,
    SourceChangedError,
    StoreUnavailableError,
    TransferError,
)
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.snapshots.atomic_file import atomic_file
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.logs import configure_logs
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.settings import Settings, read_settings
from kato_service.transfer.deployed import deployed_knowledge
from kato_service.transfer.importing import READING_TIMEOUT_S, KnowledgeImport
from kato_service.transfer.portable import PortableKnowledge, write
from kato_service.transfer.report import Report, say, say_compared, say_found
from kato_service.transfer.source import KnowledgeSource, surveyed

T = TypeVar("T")

EXIT_DIFFERENT = 1
EXIT_REFUSED = 2
EXIT_UNAVAILABLE = 3
EXIT_STOPPED = 130

Command = Callable[[argparse.Namespace, Settings], Coroutine[None, None, int]]
_ENVIRONMENT = (
    "The knowledge is found through the environment variables of the service (kato-service --help)."
)
_IMPORT_EXITS = """exit codes: 0 done; 1 the comparison found differences, or the source changed;
2 refused, nothing changed; 3 a store did not answer; 130 interrupted. After 3 and 130, repeat the
command: it continues where it stopped."""
_EXPORT_EXITS = """exit codes: 0 done; 2 refused; 3 a store did not answer; 130 interrupted. The
file of -o is only written with 0."""
_REPEAT = "repeat the command; an import continues where it stopped"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add_import(commands)
    _add_export(commands)


def run(given: argparse.Namespace) -> int:
    """Run the given command; gives its exit code."""
    configure_logs(level="warning", style="console", out=sys.stderr)
    return ended(given)


def ended(given: argparse.Namespace) -> int:
    """The same as `run`, without setting up logs."""
    command: Command = given.run
    try:
        return asyncio.run(command(given, read_settings()))
    except SourceChangedError as error:
        say(f"kato-service: {error.message}")
        return EXIT_DIFFERENT
    except (TransferError, SettingsError) as error:
        say(f"kato-service: {error.message}")
        return EXIT_REFUSED
    except (StoreUnavailableError, DeadlineExceededError) as error:
        say(f"kato-service: {error.message}; {_REPEAT}")
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        say(f"kato-service: interrupted; {_REPEAT}")
        return EXIT_STOPPED


@asynccontextmanager
async def knowledge_base(kb: str, settings: Settings) -> AsyncIterator[SuperKnowledgeBase]:
    """The knowledge base that a service with these settings has.

    No circuit breaker is in its way: nothing probes the stores of a command, so an open circuit
    would never close again.
    """
    databases = make_databases(settings)
    pool = databases.mongodb
    bases = KnowledgeBases(
        knowledge_log(settings, databases, probed=False),
        PatternSearcher(settings.kato_engine).new_index,
        limits=KnowledgeLimits(retention_s=settings.log_retention_s),
    )
    try:
        if isinstance(pool, MongoConnectionPool):
            await pool.open()
        await bases.start()
        yield bases.get(kb)
    finally:
        await bases.close()
        await databases.close()


def _add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "import",
        help="import knowledge from a file or from an existing KATO deployment",
        description="Import knowledge exactly: patterns with names, frequencies, emotives and"
        " metadata, symbol statistics and totals. The source is only read. The import is compared"
        f" with its source at the end. {_ENVIRONMENT}",
        epilog=_IMPORT_EXITS,
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="a file that `kato-service export` wrote"
    )
    parser.add_argument("--from", dest="url", metavar="URL", help="MongoDB of a KATO v1 or v2")
    parser.add_argument(
        "--processor", metavar="ID", help="with --from: the processor whose knowledge to import"
    )
    parser.add_argument(
        "--user",
        metavar="ID",
        type=_user,
        help="import into the knowledge base of this user instead of the instance's",
    )
    parser.add_argument("--dry-run", action="store_true", help="check and report, write nothing")
    parser.add_argument(
        "--merge", action="store_true", help="add to a knowledge base that is not empty"
    )
    parser.add_argument("--skip-refused", action="store_true", help="skip what cannot be imported")
    parser.set_defaults(main=run, run=_import)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "export",
        help="export knowledge to a file",
        description="Export a knowledge base as gzip-compressed JSON lines: the same knowledge"
        " always gives the same bytes. The service may be running. Vectors are not exported."
        f" {_ENVIRONMENT}",
        epilog=_EXPORT_EXITS,
    )
    parser.add_argument(
        "--user",
        metavar="ID",
        type=_user,
        help="export the knowledge base of this user instead of the instance's",
    )
    parser.add_argument(
        "-o",
        dest="out",
        metavar="FILE",
        type=Path,
        help="the file to write (default: standard output)",
    )
    parser.set_defaults(main=run, run=_export)


async def _import(given: argparse.Namespace, settings: Settings) -> int:
    if (given.file is None) == (given.url is None):
        raise TransferError("import: give either a FILE or --from URL")
    if given.file is not None:
        if given.processor is not None:
            raise TransferError(
                "--processor: only for --from; a file holds a single knowledge base"
            )
        return await _import_from(PortableKnowledge(given.file), given, settings)
    async with deployed_knowledge(given.url, given.processor) as source:
        return await _import_from(source, given, settings)


async def _import_from(
    source: KnowledgeSource, given: argparse.Namespace, settings: Settings
) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    say(f"reading {source.name} for knowledge base {kb!r}; nothing is written yet")
    survey = await surveyed(source)
    say_found(source, survey)
    if survey.refused_count and not given.skip_refused:
        raise TransferError("nothing was imported: fix these, or skip them (--skip-refused)")
    async with knowledge_base(kb, settings) as target:
        importing = KnowledgeImport(source, target, survey, Report())
        done = await importing.check(merge=given.merge)
        say(f"{done} of {survey.parts} parts are already imported")
        if given.dry_run:
            say("dry run: nothing was written; run it without --dry-run to import")
            return 0
        if done < survey.parts:
            say("importing; if it is interrupted, repeat the command")
            say(f"to undo it, call clear-all in {_session_of(given.user)}")
            await importing.append()
        comparison = await importing.compare()
        say_compared(comparison)
        return EXIT_DIFFERENT if comparison.failed else 0


async def _export(given: argparse.Namespace, settings: Settings) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    if given.out is None and (sys.stdout is None or sys.stdout.isatty()):
        raise TransferError("-o: give a file; standard output is a terminal, or closed")
    async with (
        knowledge_base(kb, settings) as base,
        base.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading,
    ):
        say(f"exporting knowledge base {kb!r} at revision {reading.revision}")
        if given.out is None:
            done = _to_standard_output(lambda out: write(reading, kb, out))
        else:
            done = _written(given.out, lambda out: write(reading, kb, out))
    say(f"{done.patterns} patterns, {done.corrected_symbols} corrected symbols")
    say(f"sha256 of the lines: {done.digest}")
    say(f"to import it into another instance: kato-service import {given.out or 'FILE'}")
    return 0


def _written(path: Path, write_to: Callable[[IO[bytes]], T]) -> T:
    """Write a file that appears whole or not at all."""
    try:
        if path.exists() and not path.is_file():
            raise TransferError(
                f"-o: {str(path)!r} cannot be written, since it is not a regular file; give another"
                " path, or omit -o for standard output"
            )
        with atomic_file(path) as out:
            return write_to(out)
    except OSError as exc:
        raise TransferError(f"-o: {str(path)!r} cannot be written ({exc.strerror})") from exc


def _to_standard_output(write_to: Callable[[IO[bytes]], T]) -> T:
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as out:
            return write_to(out)
    except OSError as exc:
        raise TransferError(f"standard output cannot be written ({exc.strerror})") from exc


def _user(given: str) -> str:
    """A user id that the API accepts, too: nobody could use the knowledge of any other."""
    try:
        return TypeAdapter(UserId).validate_python(given)
    except ValidationError as exc:
        raise argparse.ArgumentTypeError("must be 1 to 256 printable characters") from exc


def _session_of(user: str | None) -> str:
    return "a session without user_id" if user is None else f"a session of user {user!r}"
