"""Patterns of a KATO 3.x: rows that its ClickHouse exported, and what its Redis holds of them.

Each line of the file is an object (``FORMAT JSONEachRow``) with ``name``, ``pattern_data`` and,
if they are known, ``frequency``, ``emotives`` and ``metadata``; the last two may be JSON texts.
What a row lacks is looked up in Redis.
"""

import gzip
import zlib
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections, SymbolCounts
from kato_service.errors import StoreUnavailableError, TransferError, WrongFieldError
from kato_service.portable.file import opened
from kato_service.portable.patterns import pattern_of
from kato_service.portable.source import Refused

BATCH = 1000
"""Rows that are looked up at once."""
MAX_LINE_BYTES = 80 * 2**20
TIMEOUT_S = 60.0
_KEPT_IN_REDIS = ("frequency", "emotives", "metadata")
Row = dict[str, Any]


class ExportedRows:
    """Rows of one knowledge base, as a `KnowledgeSource`."""

    def __init__(self, path: Path, redis: "Redis | None", processor: str | None) -> None:
        """Args:
        redis: None: the rows hold everything.
        processor: The knowledge base's name (``kb_id``), with which Redis' keys begin.
        """
        self._path = path
        self._redis = redis
        self._processor = processor
        self.name = f"file {path.name!r}"
        self._without_frequency = 0

    async def patterns(self) -> AsyncIterator[Sequence[Pattern | Refused]]:
        self._without_frequency = 0
        with closing(self._rows()) as rows:
            while batch := list(islice(rows, BATCH)):
                await self._complete([row for _, row in batch if isinstance(row, dict)])
                yield [self._pattern(number, row) for number, row in batch]

    async def corrections(self, counted: SymbolCounts) -> tuple[Corrections, Sequence[Refused]]:
        return Corrections(), []

    def notes(self) -> Sequence[str]:
        counted = "symbol statistics are counted from the patterns and their frequencies"
        if not self._without_frequency:
            return [counted]
        return [counted, f"{self._without_frequency} patterns have no frequency, and get 1"]

    async def _complete(self, rows: Sequence[Row]) -> None:
        """Look up in Redis what the rows lack."""
        if self._redis is None:
            return
        wanted = [
            (row, field) for row in rows for field in _KEPT_IN_REDIS if row.get(field) in (None, "")
        ]
        keys = [f"{self._processor}:{field}:{row.get('name')}" for row, field in wanted]
        if not keys:
            return
        try:
            values = await self._redis.mget(keys)
        except (RedisError, OSError) as exc:
            raise StoreUnavailableError(
                f"the Redis to import from cannot be read: {type(exc).__name__}; check its address"
                " and the credentials"
            ) from exc
        for (row, field), value in zip(wanted, values, strict=True):
            row[field] = None if value is None else _parsed(value)

    def _pattern(self, number: int, row: object) -> Pattern | Refused:
        where = f"line {number}"
        if not isinstance(row, dict):
            return Refused(where, "not a JSON object")
        try:
            frequency = row.get("frequency")
            if frequency is None and self._redis is not None:
                self._without_frequency += 1
                frequency = 1
            given = {
                "name": row.get("name"),
                "events": row.get("pattern_data"),
                "frequency": _number(frequency),
                "emotives": _value(row.get("emotives")),
                "metadata": _value(row.get("metadata")),
            }
            return pattern_of(given)
        except WrongFieldError as exc:
            return Refused(where, exc.message.replace("events:", "pattern_data:"))

    def _rows(self) -> Generator[tuple[int, object]]:
        try:
            with opened(self._path) as file:
                number = 0
                while line := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise TransferError(f"{self.name}: line {number} is too long")
                    if line.strip():
                        yield number, _parsed(line)
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise TransferError(
                f"{self.name}: the file is cut or damaged; export it again"
            ) from exc
        except OSError as exc:
            raise TransferError(f"{self.name}: cannot be read ({exc.strerror})") from exc


def is_rows(path: Path) -> bool:
    """Whether the file holds rows of patterns, rather than what `kato-service export` writes."""
    try:
        with opened(path) as file:
            first = _parsed(file.readline(MAX_LINE_BYTES))
    except (OSError, EOFError, zlib.error):
        return False
    return isinstance(first, dict) and "pattern_data" in first


@asynccontextmanager
async def exported_rows(
    path: Path, url: str | None, processor: str | None
) -> AsyncIterator[ExportedRows]:
    """The rows of *path*, completed from the Redis at *url*.

    Raises:
        TransferError: The URL is not one, or comes without *processor*.
    """
    if url is None:
        yield ExportedRows(path, None, processor)
        return
    if processor is None:
        raise TransferError("--processor: with --redis, say whose keys (the kb_id of the rows)")
    try:
        redis = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except (ValueError, TypeError, RedisError) as exc:
        raise TransferError("--redis: not a URL; accepted: redis://[:password@]host:port") from exc
    try:
        yield ExportedRows(path, redis, processor)
    finally:
        await redis.aclose()


def _parsed(line: bytes | str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _number(given: object) -> object:
    """ClickHouse writes 64-bit numbers as texts, unless it is told otherwise."""
    return int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given


def _value(given: object) -> object:
    """A map or list that may be a JSON text; ClickHouse writes an empty one for nothing."""
    if not isinstance(given, str):
        return given
    if not given:
        return None
    parsed = _parsed(given.encode())
    if not isinstance(parsed, Mapping | list):
        raise WrongFieldError("emotives or metadata: not the JSON text of a map or list")
    return parsed
