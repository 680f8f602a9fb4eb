"""Snapshot files of knowledge bases: written from time to time, read when a base is loaded.

They are never trusted: a file is used only if the store confirms that its log contains the file's
position. Whatever is wrong with a file is logged, and the knowledge base is loaded from the store.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from errno import EINTR
from hashlib import sha256
from pathlib import Path

import structlog

from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.index import Piece
from kato_service.knowledge.model.log import KnowledgeLog, Tail
from kato_service.knowledge.model.position import Position, before, goes_through
from kato_service.knowledge.snapshots.atomic_file import PARTIAL
from kato_service.knowledge.snapshots.fold_pieces import fold_pieces, restore_fold
from kato_service.knowledge.snapshots.snapshot_file import (
    DamagedSnapshotError,
    SnapshotHeader,
    read_header,
    read_pieces,
    write_snapshot,
)

log = structlog.get_logger()

MIN_PATTERNS = 10_000
"""Patterns from which a file is worth writing: fewer are loaded from the store in no time."""
CHANGED_SHARE = 10
"""A file is written again once there is one new entry for every so many patterns."""
ABANDONED_S = 600.0
"""Age in seconds of a partial file whose writer must be gone: a million patterns take a second."""
_NAME_DIGITS, _SUFFIX = 40, ".snapshot"
"""Files with other names are left alone: the directory may be shared."""
_UNUSABLE = (DamagedSnapshotError, ValueError, TypeError, OSError)


@dataclass(frozen=True, slots=True)
class Captured:
    """A fold as it was at one moment, to be written."""

    header: SnapshotHeader
    pieces: Iterator[Piece]


class Snapshots:
    def __init__(
        self, directory: Path, *, limit_bytes: int, min_patterns: int = MIN_PATTERNS
    ) -> None:
        """Args:
        directory: Where the files are; several processes may share it.
        limit_bytes: Size of all files together, beyond which the oldest are removed.
        """
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._min_patterns = min_patterns
        self._saved: dict[str, Position] = {}
        """The position of each knowledge base's file, as far as this process knows."""
        self._given_up = False

    def is_due(self, kb: str, fold: Fold, *, at_the_end: bool = False) -> bool:
        """Whether the file is missing, or so old that it is worth writing again."""
        patterns = len(fold.patterns)
        saved = self._saved.get(kb)
        if patterns < self._min_patterns or not fold.incarnation:
            return False
        if saved is None or saved.incarnation != fold.incarnation:
            return True
        # Negative if the store went back to a backup: then the file is worthless.
        new_entries = fold.revision - saved.revision
        if at_the_end:
            return new_entries != 0
        return not 0 <= new_entries < patterns // CHANGED_SHARE

    def capture(self, kb: str, fold: Fold) -> Captured | None:
        """Take *fold* as it is now, in milliseconds; nobody may change it meanwhile. None if its
        kind of index is not written to files, or memory is short."""
        try:
            pieces = fold_pieces(fold)
        except MemoryError as exc:
            log.warning("snapshot not written", processor_id=kb, reason=_reason(exc))
            return None
        if pieces is None:
            return None
        return Captured(SnapshotHeader(kb, fold.incarnation, fold.revision, fold.token), pieces)

    async def save(self, captured: Captured) -> None:
        """Write the file. A disk that refuses it only costs a slower start, so it is logged."""
        header = captured.header
        try:
            size = await asyncio.to_thread(self._write, captured)
        except (OSError, TypeError, ValueError, MemoryError) as exc:
            log.warning("snapshot not written", processor_id=header.kb, reason=_reason(exc))
            return
        self._saved[header.kb] = Position(header.incarnation, header.revision, header.token)
        log.info("snapshot written", processor_id=header.kb, revision=header.revision, bytes=size)

    async def restored(
        self, kb: str, store: KnowledgeLog, new_fold: Callable[[], Fold]
    ) -> Fold | None:
        """The fold in the file, if there is one and the store confirms its position.

        Args:
            new_fold: Makes an empty fold with an empty index.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        path = self._path(kb)
        fold = new_fold()
        if fold.index.pieces() is None or not await asyncio.to_thread(path.exists):
            return None
        try:
            header = await asyncio.to_thread(read_header, path)
            position = Position(header.incarnation, header.revision, header.token)
            tail = await store.tail(kb, before(position), limit=1)
            _require_agreement(kb, header, tail)
            await asyncio.to_thread(restore_fold, fold, read_pieces(path, header))
        except _UNUSABLE as exc:
            log.warning("snapshot not used", processor_id=kb, reason=_reason(exc))
            await asyncio.to_thread(_removed, path)
            return None
        fold.incarnation, fold.revision, fold.token = (
            position.incarnation,
            position.revision,
            position.token,
        )
        self._saved[kb] = position
        return fold

    async def remove(self, erased: Mapping[str, int]) -> int:
        """Remove the files of erased logs; gives how many there were.

        Args:
            erased: By incarnation, the revision up to which it is erased.
        """
        return await asyncio.to_thread(self._remove, erased)

    def _remove(self, erased: Mapping[str, int]) -> int:
        count = 0
        for path in self._directory.glob("[0-9a-f]" * _NAME_DIGITS + _SUFFIX):
            try:
                header = read_header(path)
            except _UNUSABLE:
                continue  # nobody can load it, and the next write of that file replaces it
            if header.revision <= erased.get(header.incarnation, -1):
                _removed(path)
                self._saved.pop(header.kb, None)
                count += 1
        return count

    def give_up(self) -> None:
        """Write no more: a write that is under way stops, and the previous file stays."""
        self._given_up = True

    def _path(self, kb: str) -> Path:
        return self._directory / f"{sha256(kb.encode()).hexdigest()[:_NAME_DIGITS]}{_SUFFIX}"

    def _write(self, captured: Captured) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(captured.header.kb)
        size = write_snapshot(path, captured.header, self._unless_given_up(captured.pieces))
        self._remove_surplus(keep=path)
        return size

    def _unless_given_up(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            if self._given_up:
                raise InterruptedError(EINTR, "the process is ending")
            yield piece

    def _remove_surplus(self, *, keep: Path) -> None:
        """Remove the oldest files beyond the limit, and partial ones whose writers were killed."""
        ours = self._directory.glob("[0-9a-f]" * _NAME_DIGITS + f"{_SUFFIX}*")
        found = [_facts(path) for path in ours if path != keep]
        room = self._limit_bytes - _facts(keep)[1]
        abandoned_before = time.time() - ABANDONED_S
        for written_at, size, path in sorted(found, reverse=True):
            room -= size
            if room < 0 or (path.suffix == PARTIAL and written_at < abandoned_before):
                _removed(path)


def _require_agreement(kb: str, header: SnapshotHeader, tail: Tail) -> None:
    """Raise DamagedSnapshotError unless the store has what the file was written from."""
    if header.kb != kb:
        raise DamagedSnapshotError("it belongs to another knowledge base")
    if goes_through(tail, Position(header.incarnation, header.revision, header.token)):
        return
    if tail.head is None or tail.head.incarnation != header.incarnation:
        raise DamagedSnapshotError("it belongs to another history")
    if tail.head.trimmed >= header.revision:
        raise DamagedSnapshotError("the log is trimmed beyond it")
    if not tail.entries:
        raise DamagedSnapshotError("it is ahead of the store")
    raise DamagedSnapshotError("the store has another entry at its revision")


def _reason(exc: Exception) -> str:
    """Why, without a path."""
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return str(exc) or type(exc).__name__


def _facts(path: Path) -> tuple[float, int, Path]:
    """When it was written, and its size; zeros if another process has just removed it."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return 0.0, 0, path
    return facts.st_mtime, facts.st_size, path


def _removed(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        log.warning("snapshot not removed", reason=_reason(exc))
