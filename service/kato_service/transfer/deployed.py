"""The knowledge of an existing KATO deployment (v1, v2) in MongoDB: one database per processor.

Only `listDatabases` and `find` are sent, so a user that may only read is enough.
"""

import re
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts
from kato_service.errors import StoreUnavailableError, TransferError, WrongFieldError
from kato_service.portable.patterns import MAX_COUNT, count, pattern_of, text
from kato_service.portable.source import Refused, difference

Document = Mapping[str, Any]
PATTERNS, SYMBOLS, TOTALS = "patterns_kb", "symbols_kb", "metadata"
TIMEOUT_MS = 10_000
"""Milliseconds to find a server, unless the URL says otherwise."""
SOCKET_TIMEOUT_MS = 60_000
"""Milliseconds to wait for an answer, unless the URL says otherwise."""
BATCH = 1000
"""Documents per read."""
_OWN_DATABASES = ("admin", "config", "local")
_TOTALS = (
    "total_pattern_frequencies",
    "total_symbol_frequencies",
    "total_symbols_in_patterns_frequencies",
)


class DeployedKnowledge:
    """One processor's knowledge base, as a `KnowledgeSource`."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        # What is not UTF-8 arrives as lone surrogates, so that it is refused by name below instead
        # of failing the whole read.
        options: CodecOptions[dict[str, Any]] = CodecOptions(
            unicode_decode_error_handler="surrogateescape", tz_aware=True
        )
        self._database = database.with_options(codec_options=options)
        self.name = f"processor {database.name!r}"
        self._other_lengths = 0
        self._notes: list[str] = []

    async def patterns(self) -> AsyncIterator[Sequence[Pattern | Refused]]:
        self._other_lengths = 0
        async for documents in self._read(PATTERNS):
            yield [self._pattern(document) for document in documents]

    async def corrections(self, counted: SymbolCounts) -> tuple[Corrections, Sequence[Refused]]:
        patterns: dict[str, int] = {}
        occurrences: dict[str, int] = {}
        refused = []
        async for documents in self._read(SYMBOLS):
            for document in documents:
                try:
                    symbol, counts = _symbol(document)
                    if symbol in patterns:
                        raise WrongFieldError("name: the symbol is there twice")
                    patterns[symbol], occurrences[symbol] = counts
                except WrongFieldError as exc:
                    refused.append(Refused(f"{SYMBOLS} {document.get('_id')!r}", exc.message))
        with mapped_errors():
            totals = await self._database[TOTALS].find_one({_TOTALS[0]: {"$exists": True}})
        self._notes = []
        symbols = difference(patterns, occurrences, counted)
        if not patterns and not refused:
            symbols = {}
            self._notes.append(f"{SYMBOLS} is empty: symbols are counted from the patterns")
        try:
            return Corrections(symbols, *self._totals(totals, counted)), refused
        except WrongFieldError as exc:
            where = f"{TOTALS} {(totals or {}).get('_id')!r}"
            return Corrections(), [*refused, Refused(where, exc.message)]

    def notes(self) -> Sequence[str]:
        lengths = (
            f"{self._other_lengths} documents have a length other than their number of symbols;"
            " the imported length is the number of symbols"
        )
        return [*self._notes, lengths] if self._other_lengths else self._notes

    def _pattern(self, document: Document) -> Pattern | Refused:
        try:
            pattern = pattern_of(
                {**document, "events": document.get("pattern_data"), "learns": None}
            )
        except WrongFieldError as exc:
            reason = exc.message.replace("events:", "pattern_data:")
            return Refused(f"{PATTERNS} {document.get('_id')!r}", reason)
        self._other_lengths += document.get("length", pattern.symbol_count) != pattern.symbol_count
        return pattern

    def _totals(self, found: Document | None, counted: SymbolCounts) -> Iterator[int]:
        if found is None:
            self._notes.append(f"{TOTALS} holds no totals: they are counted from the patterns")
            return iter((0, 0, 0))
        known = (counted.total_learns, counted.total_symbols, counted.total_distinct_symbols)
        totals = [count(field, found.get(field, 0), MAX_COUNT) for field in _TOTALS]
        return (total - already for total, already in zip(totals, known, strict=True))

    async def _read(self, collection: str) -> AsyncIterator[Sequence[Document]]:
        """Documents in order of ``_id``: that of first learns, as far as a deployment has one."""
        with mapped_errors():
            found = self._database[collection].find({}, sort=[("_id", 1)], batch_size=BATCH)
            async with found as cursor:
                while batch := await cursor.to_list(BATCH):
                    yield batch


@asynccontextmanager
async def deployed_knowledge(url: str, processor: str | None) -> AsyncIterator[DeployedKnowledge]:
    """The knowledge of *processor*; None: of the only processor.

    Raises:
        TransferError: There is no such processor, *processor* is None and there are several, or the
            URL is not one.
        StoreUnavailableError: The deployment cannot be read.
    """
    client = _client(url)
    try:
        yield DeployedKnowledge(client[await _chosen(client, processor)])
    finally:
        await client.close()


@contextmanager
def mapped_errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as exc:
        code = getattr(exc, "code", None)
        reason = type(exc).__name__ if code is None else f"{type(exc).__name__} {code}"
        raise StoreUnavailableError(
            f"the deployment to import from cannot be read: {reason};"
            " check its address, the credentials, and that they may read"
        ) from exc


def _client(url: str) -> AsyncMongoClient[dict[str, Any]]:
    defaults = {
        "serverSelectionTimeoutMS": TIMEOUT_MS,
        "socketTimeoutMS": SOCKET_TIMEOUT_MS,
        "readPreference": "primaryPreferred",
    }
    missing = {name: value for name, value in defaults.items() if name.lower() not in url.lower()}
    options: dict[str, Any] = {"connect": False, "appname": "kato-import", **missing}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return AsyncMongoClient(url, **options)
    except (PyMongoError, UserWarning, ValueError, TypeError) as exc:
        raise TransferError(
            "--from: the driver does not accept this URL;"
            " accepted: mongodb://[user:password@]host[:port][/?options]"
        ) from exc


async def _chosen(client: AsyncMongoClient[dict[str, Any]], processor: str | None) -> str:
    if processor is not None and await _has_patterns(client, processor):
        return processor
    with mapped_errors():
        names = sorted(set(await client.list_database_names()) - set(_OWN_DATABASES))
    found = [name for name in names if await _has_patterns(client, name)]
    listed = ", ".join(found) or "none"
    if processor is not None:
        raise TransferError(f"--processor: there is no processor {processor!r}; found: {listed}")
    if len(found) != 1:
        raise TransferError(f"--processor: say which one to import; found: {listed}")
    return found[0]


async def _has_patterns(client: AsyncMongoClient[dict[str, Any]], name: str) -> bool:
    if not re.fullmatch(r"[^/\\. \"$*<>:|?\x00]{1,63}", name):
        return False
    with mapped_errors():
        return await client[name][PATTERNS].find_one({}) is not None


def _symbol(document: Document) -> tuple[str, tuple[int, int]]:
    patterns = count("pattern_member_frequency", document.get("pattern_member_frequency", 0))
    occurrences = count("frequency", document.get("frequency", 0))
    return text("name", document.get("name")), (patterns, occurrences)
