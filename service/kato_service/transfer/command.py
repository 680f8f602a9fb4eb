"""``kato-service import`` and ``kato-service export``: what they take, say and end with."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TypeVar

from pydantic import TypeAdapter, ValidationError

from kato_service.api.shapes.requests import UserId
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
from kato_service.transfer.importing import (
    PATIENCE_S,
    Comparison,
    KnowledgeImport,
    Progress,
)
from kato_service.transfer.portable import PortableKnowledge, write
from kato_service.transfer.source import KnowledgeSource, Survey, surveyed

T = TypeVar("T")

EXIT_DIFFERENT = 1
EXIT_REFUSED = 2
EXIT_UNAVAILABLE = 3
EXIT_STOPPED = 130
REPORT_EVERY_S = 2.0

Command = Callable[[argparse.Namespace, Settings], Coroutine[None, None, int]]
_ENVIRONMENT = "It uses the environment of the service (kato-service --help) to find its knowledge."
_EXITS = """exit codes: 0 done; 1 the comparison found differences; 2 refused, nothing changed;
3 a store did not answer (repeat the command, it goes on where it was); 130 stopped (the same)."""


def add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands (none: serve)", metavar="")
    _add_import(commands)
    _add_export(commands)


def run(given: argparse.Namespace) -> int:
    """The exit code of the command that was given."""
    configure_logs(level="warning", style="console", out=sys.stderr)
    return ended(given)


def ended(given: argparse.Namespace) -> int:
    """The same, with logs as they are."""
    command: Command = given.run
    try:
        return asyncio.run(command(given, read_settings()))
    except SourceChangedError as error:
        _say(f"kato-service: {error.message}")
        return EXIT_DIFFERENT
    except (TransferError, SettingsError) as error:
        _say(f"kato-service: {error.message}")
        return EXIT_REFUSED
    except (StoreUnavailableError, DeadlineExceededError) as error:
        _say(f"kato-service: {error.message}; repeat the command, it goes on where it was")
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        _say("kato-service: stopped; repeat the command, it goes on where it was")
        return EXIT_STOPPED


@asynccontextmanager
async def knowledge_base(kb: str, settings: Settings) -> AsyncIterator[SuperKnowledgeBase]:
    """The one that a service of these settings has; it outlasts a failover of its store."""
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
        help="take knowledge over from a file or from an existing KATO deployment",
        description="Take knowledge over: patterns with names, frequencies and emotives, symbol"
        f" statistics and totals, exactly. The source is never written. {_ENVIRONMENT}",
        epilog=_EXITS,
    )
    parser.add_argument("file", nargs="?", type=Path, help="what `kato-service export` wrote")
    parser.add_argument("--from", dest="url", metavar="URL", help="MongoDB of a KATO v1 or v2")
    parser.add_argument("--processor", metavar="ID", help="which of its processors, with --from")
    parser.add_argument(
        "--user",
        metavar="ID",
        type=_user,
        help="into this user's knowledge, not the instance's",
    )
    parser.add_argument("--dry-run", action="store_true", help="check and tell, append nothing")
    parser.add_argument("--merge", action="store_true", help="add to knowledge that is there")
    parser.add_argument(
        "--skip-refused", action="store_true", help="leave out what cannot be imported"
    )
    parser.set_defaults(run=_import)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "export",
        help="write knowledge into a file",
        description="Write a knowledge base as gzip over JSON lines, the same bytes for the same"
        f" knowledge, also beside a running service. Vectors are not in it. {_ENVIRONMENT}",
        epilog=_EXITS,
    )
    parser.add_argument(
        "--user", metavar="ID", type=_user, help="this user's knowledge, not the instance's"
    )
    parser.add_argument(
        "-o", dest="out", metavar="FILE", type=Path, help="default: standard output"
    )
    parser.set_defaults(run=_export)


async def _import(given: argparse.Namespace, settings: Settings) -> int:
    if (given.file is None) == (given.url is None):
        raise TransferError("import: name a FILE or --from URL, one of them")
    if given.file is not None:
        if given.processor is not None:
            raise TransferError("--processor: a file holds one knowledge base; leave it out")
        return await _import_from(PortableKnowledge(given.file), given, settings)
    async with deployed_knowledge(given.url, given.processor) as source:
        return await _import_from(source, given, settings)


async def _import_from(
    source: KnowledgeSource, given: argparse.Namespace, settings: Settings
) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    _say(f"reading {source.name}, to import it into knowledge base {kb!r}; nothing is written yet")
    survey = await surveyed(source)
    _say_found(source, survey)
    if survey.refused_count and not given.skip_refused:
        raise TransferError("nothing was imported: mend these, or leave them out (--skip-refused)")
    async with knowledge_base(kb, settings) as target:
        importing = KnowledgeImport(source, target, survey, _Report())
        done = await importing.check(merge=given.merge)
        _say(f"{done} of {survey.parts} parts are in")
        if given.dry_run:
            _say("dry run: nothing was written; the same without --dry-run imports it")
            return 0
        if done < survey.parts:
            undo = f"undo: clear-all of that knowledge base, in a session of {_whose(given.user)}"
            _say(f"appending; a repeated command goes on where it was; {undo}")
            await importing.append()
        return _compared(await importing.compare())


async def _export(given: argparse.Namespace, settings: Settings) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    if given.out is None and (sys.stdout is None or sys.stdout.isatty()):
        raise TransferError("-o: name a file, standard output is a terminal or closed")
    async with (
        knowledge_base(kb, settings) as base,
        base.reading(deadline=Deadline.after(PATIENCE_S)) as view,
    ):
        _say(f"exporting knowledge base {kb!r} at revision {view.revision}")
        if given.out is None:
            done = _to_standard_output(lambda out: write(view, kb, out))
        else:
            done = _written(given.out, lambda out: write(view, kb, out))
    _say(f"{done.patterns} patterns, {done.corrected_symbols} corrected symbols")
    _say(f"sha256 of its lines: {done.digest}")
    _say(f"into another instance: kato-service import {given.out or 'FILE'}")
    return 0


def _written(path: Path, write_to: Callable[[IO[bytes]], T]) -> T:
    """The file is there whole or not at all."""
    try:
        if path.exists() and not path.is_file():
            raise TransferError(
                f"-o: {str(path)!r} cannot be written, it is no regular file; name one, or leave"
                " -o out for standard output"
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


def _say_found(source: KnowledgeSource, survey: Survey) -> None:
    counted = survey.counted
    _say(f"  {survey.patterns} patterns, {survey.symbols} symbols in them")
    _say(f"  {counted.total_learns} learns of {counted.distinct_symbols} different symbols")
    corrected = sum(len(each.symbols) for each in survey.corrections)
    _say(f"  {corrected} symbols are counted otherwise than the patterns say; kept as they are")
    if survey.foreign_names:
        _say(
            f"  {survey.foreign_names} names are not the hash of their events; kept, and learning"
            " such events again makes a second pattern"
        )
    for note in source.notes():
        _say(f"  {note}")
    if survey.refused_count:
        _say(f"  {survey.refused_count} cannot be imported, the first of them:")
        for refused in survey.refused:
            _say(f"    {refused}")


def _compared(found: Comparison) -> int:
    _say(f"compared with the source: {found.equal} patterns equal")
    if not found.different_count:
        _say("names, frequencies, emotives, metadata, order, statistics and totals are exact")
        return 0
    _say(f"{found.different_count} differences, the first of them:")
    for each in found.different:
        _say(f"  {each}")
    if found.failed:
        _say("the import is not exact: repeat it, or clear the knowledge base and import again")
        return EXIT_DIFFERENT
    _say("every part is in; the knowledge base holds more than this import, which explains them")
    return 0


class _Report:
    """Says now and then how far it is."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._first: int | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None:
            self._began, self._first = now, progress.done
        if now - self._said < REPORT_EVERY_S and progress.done < progress.total:
            return
        self._said = now
        rate = (progress.done - self._first) / max(now - self._began, 1e-3)
        _say(f"{progress.doing} {progress.done} of {progress.total} parts, {rate:.0f} a second")


def _user(given: str) -> str:
    """As the API takes it: nobody could use the knowledge of another one."""
    try:
        return TypeAdapter(UserId).validate_python(given)
    except ValidationError as exc:
        raise argparse.ArgumentTypeError("must be 1 to 256 printable characters") from exc


def _whose(user: str | None) -> str:
    return "nobody (without user_id)" if user is None else f"user {user!r}"


def _say(line: str) -> None:
    """To standard error: what is exported may go to standard output."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
