"""``kato-service import``: patterns and vectors of a file, or of an existing deployment."""

import argparse
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from kato_service.domain.deadline import Deadline
from kato_service.domain.identity import processor_id_of
from kato_service.errors import TransferError
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.portable.file import PortableKnowledge
from kato_service.portable.importing import (
    READING_TIMEOUT_S,
    KnowledgeImport,
    Progress,
    require_same_clear,
)
from kato_service.portable.importing_vectors import VectorImport
from kato_service.portable.source import KnowledgeSource, Survey, surveyed
from kato_service.portable.vectors import VectorSource, VectorSurvey, surveyed_vectors
from kato_service.settings.settings import Settings
from kato_service.transfer.arguments import ENVIRONMENT, user
from kato_service.transfer.deployed import deployed_knowledge
from kato_service.transfer.report import (
    Report,
    say,
    say_compared,
    say_compared_vectors,
    say_found,
    say_found_vectors,
)
from kato_service.transfer.rows import exported_rows, is_rows
from kato_service.transfer.target import knowledge_base, vectors_to_write

EXIT_DIFFERENT = 1
_EXITS = """exit codes: 0 done; 1 the comparison found differences, or the source changed;
2 refused, nothing changed; 3 a store did not answer; 130 interrupted. After 3 and 130, repeat the
command: it continues where it stopped."""
_FIX_OR_SKIP = "nothing was imported: fix these, or skip them (--skip-refused)"


def add_import(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "import",
        help="import knowledge from a file or from an existing KATO deployment",
        description="Import knowledge exactly: patterns with names, frequencies, emotives and"
        " metadata, symbol statistics and totals, and vectors. The source is only read. The import"
        f" is compared with its source at the end. {ENVIRONMENT}",
        epilog=_EXITS,
    )
    _add_sources(parser)
    parser.add_argument(
        "--user",
        metavar="ID",
        type=user,
        help="import into the knowledge base of this user instead of the instance's",
    )
    parser.add_argument("--dry-run", action="store_true", help="check and report, write nothing")
    parser.add_argument(
        "--merge", action="store_true", help="add to a knowledge base that is not empty"
    )
    parser.add_argument("--skip-refused", action="store_true", help="skip what cannot be imported")
    parser.add_argument(
        "--without-vectors", action="store_true", help="leave the vectors of a file behind"
    )
    parser.set_defaults(run=_import)
    return parser


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        help="a file that `kato-service export` wrote, or patterns of a KATO 3.x as JSON lines",
    )
    parser.add_argument("--from", dest="url", metavar="URL", help="MongoDB of a KATO v1 or v2")
    parser.add_argument(
        "--redis", metavar="URL", help="with patterns of a KATO 3.x: its Redis, for frequencies"
    )
    parser.add_argument(
        "--processor",
        metavar="ID",
        help="whose knowledge to import: the processor of --from, or the kb_id of --redis",
    )
    parser.add_argument("--vectors", metavar="URL", help="Qdrant of the existing deployment")
    parser.add_argument(
        "--collection",
        metavar="NAME",
        help="with --vectors: the collection (default: vectors_ and the processor)",
    )
    parser.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="with --vectors: a file with the API key of that Qdrant; - for standard input",
    )


async def _import(given: argparse.Namespace, settings: Settings) -> int:
    kb = processor_id_of(settings.processor_id, given.user)
    async with _patterns(given) as source:
        survey = await _surveyed(source, kb, given) if source else Survey()
        async with knowledge_base(kb, settings) as target:
            patterns = KnowledgeImport(source, target, survey, Report()) if source else None
            done = await patterns.check(merge=given.merge) if patterns else 0
            if patterns:
                say(f"{done} of {survey.parts} parts are already imported")
            if not given.dry_run:
                await target.open(deadline=Deadline.after(READING_TIMEOUT_S))
            cleared, used = await _cleared_and_symbols(target)
            symbols = {*used, *survey.counted.symbol_frequency}
            async with _vectors(given, settings, source, (kb, cleared), symbols) as vectors:
                if given.dry_run:
                    say("dry run: nothing was written; run it without --dry-run to import")
                    return 0
                if vectors or done < survey.parts:
                    say("importing; if it is interrupted, repeat the command")
                    say(f"to undo it, call clear-all in {_session_of(given.user)}")
                # First: a pattern must never be there without its vectors.
                if vectors:
                    await _store(vectors)
                if patterns and done < survey.parts:
                    await patterns.append()
                differs = await _differs(patterns, vectors)
                async with target.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
                    require_same_clear(reading, cleared)
    return EXIT_DIFFERENT if differs else 0


async def _store(vectors: VectorImport) -> None:
    report = Report()
    async for done in vectors.stored():
        report(Progress("imported", done, vectors.survey.count, "vectors"))


async def _differs(patterns: KnowledgeImport | None, vectors: VectorImport | None) -> bool:
    """Compare everything with its source; gives whether that failed."""
    failed = False
    if patterns:
        comparison = await patterns.compare()
        say_compared(comparison)
        failed = comparison.failed
    if vectors:
        comparison = await vectors.compare()
        say_compared_vectors(comparison)
        failed |= comparison.failed
    return failed


@asynccontextmanager
async def _patterns(given: argparse.Namespace) -> AsyncIterator[KnowledgeSource | None]:
    """The source of patterns; None: only vectors are imported."""
    _check_arguments(given)
    if given.url is not None:
        async with deployed_knowledge(given.url, given.processor) as deployed:
            yield deployed
    elif given.file is None:
        yield None
    elif is_rows(given.file):
        async with exported_rows(given.file, given.redis, given.processor) as rows:
            yield rows
    else:
        _check_arguments_of_export(given)
        yield PortableKnowledge(given.file)


@asynccontextmanager
async def _vectors(
    given: argparse.Namespace,
    settings: Settings,
    source: KnowledgeSource | None,
    place: tuple[str, int],
    symbols: Iterable[str],
) -> AsyncIterator[VectorImport | None]:
    """The import of vectors, checked so far as it can be before anything is written."""
    async with _source_of_vectors(given, source, symbols) as found:
        survey = await surveyed_vectors(found) if found else VectorSurvey()
        if found is None or not (survey.count or survey.refused_count):
            yield None
            return
        say(f"reading vectors of {found.name}")
        say_found_vectors(found, survey)
        if survey.refused_count and not given.skip_refused:
            raise TransferError(_FIX_OR_SKIP)
        async with vectors_to_write(settings) as store:
            importing = VectorImport(found, store, place, survey)
            done = await importing.check()
            say(f"{done} of {survey.count} vectors are already imported")
            yield importing


@asynccontextmanager
async def _source_of_vectors(
    given: argparse.Namespace, source: KnowledgeSource | None, symbols: Iterable[str]
) -> AsyncIterator[VectorSource | None]:
    if given.vectors is None:
        is_file = isinstance(source, PortableKnowledge) and not given.without_vectors
        yield source if isinstance(source, PortableKnowledge) and is_file else None
        return
    # Imported late: it imports the Qdrant client, which takes longer than a small import.
    from kato_service.transfer.deployed_vectors import deployed_vectors

    collection = given.collection or f"vectors_{given.processor}"
    key = _api_key(given.api_key_file)
    async with deployed_vectors(given.vectors, collection, api_key=key, used=symbols) as found:
        yield found


async def _surveyed(source: KnowledgeSource, kb: str, given: argparse.Namespace) -> Survey:
    say(f"reading {source.name} for knowledge base {kb!r}; nothing is written yet")
    survey = await surveyed(source)
    say_found(source, survey)
    if survey.refused_count and not given.skip_refused:
        raise TransferError(_FIX_OR_SKIP)
    return survey


async def _cleared_and_symbols(target: SuperKnowledgeBase) -> tuple[int, set[str]]:
    """The revision of the last clear, and the symbols that look like those of vectors."""
    async with target.reading(deadline=Deadline.after(READING_TIMEOUT_S)) as reading:
        symbols = {name for name in reading.statistics.symbol_frequency if "|" in name}
        return reading.cleared, symbols


def _check_arguments(given: argparse.Namespace) -> None:
    if given.file is not None and given.url is not None:
        raise TransferError("import: give either a FILE or --from URL")
    if given.file is None and given.url is None and given.vectors is None:
        raise TransferError("import: give a FILE, --from URL or --vectors URL")
    if given.redis is not None and given.file is None:
        raise TransferError("--redis: only for a FILE with patterns of a KATO 3.x")
    if given.vectors is None and (given.collection or given.api_key_file):
        raise TransferError("--collection and --api-key-file: only with --vectors")
    if given.vectors is not None and not (given.collection or given.processor):
        raise TransferError("--collection: say which collection of Qdrant to import")


def _check_arguments_of_export(given: argparse.Namespace) -> None:
    """Refuse what does not fit a file that `kato-service export` wrote."""
    if given.processor is not None:
        raise TransferError("--processor: only for --from; a file holds a single knowledge base")
    if given.redis is not None:
        raise TransferError("--redis: this file holds everything; leave the option out")
    if given.vectors is not None:
        raise TransferError(
            "--vectors: import the file first, and the vectors with a second command"
        )


def _api_key(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")).strip()
    except (OSError, ValueError) as exc:
        raise TransferError(f"--api-key-file: {file!r} cannot be read") from exc


def _session_of(user: str | None) -> str:
    return "a session without user_id" if user is None else f"a session of user {user!r}"
