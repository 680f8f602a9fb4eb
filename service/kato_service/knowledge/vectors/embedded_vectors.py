"""Vectors in a SQLite file of this process: those of all users in one table."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from kato_service.domain.shares import Holder
from kato_service.errors import SettingsError, StoreUnavailableError
from kato_service.knowledge.stores.sqlite_file import SqliteFile, transaction
from kato_service.knowledge.vectors import embedded_file, sqlite_dimensions
from kato_service.knowledge.vectors.dimensions import Remembered
from kato_service.knowledge.vectors.local_mode import LocalCollection, local_collections
from kato_service.knowledge.vectors.sqlite_dimensions import SqliteDimensions
from kato_service.knowledge.vectors.vector_places import VectorPlaces
from kato_service.knowledge.vectors.vector_scores import (
    check_dimension,
    direction,
    in_order,
    nearest,
    packed,
)
from kato_service.knowledge.vectors.vector_store import (
    Near,
    Stored,
    Vector,
    VectorPage,
    VectorStore,
    page_size,
)

if TYPE_CHECKING:
    from kato_service.knowledge.vectors.vector_matrices import VectorMatrices, VectorMatrix

log = structlog.get_logger()
FILE = "vectors.sqlite"
BUSY_TIMEOUT_S = 5.0
_MATRICES = "kato_service.knowledge.vectors.vector_matrices"


class EmbeddedVectors(VectorStore):
    """A `VectorStore`. Another process may read the file meanwhile, but none may write."""

    def __init__(
        self, folder: Path, *, places: VectorPlaces | None = None, only_reads: bool = False
    ) -> None:
        """Args:
        places: Bounds how many knowledge bases have vectors; None: any number.
        only_reads: Another process may write.
        """
        self._folder = folder
        self._path = folder / FILE
        self._file = SqliteFile(self._path, busy_timeout_s=BUSY_TIMEOUT_S, holds="vector")
        self._dimensions = SqliteDimensions(self._file)
        self._places = places
        self._only_reads = only_reads
        self._is_set_up = False
        self._agreed = Remembered()
        self._matrices: VectorMatrices | None = None
        """Used by the reading thread alone."""

    async def open(self) -> None:
        """Take over what earlier versions stored. If that ends in the middle, it is repeated.

        Raises:
            SettingsError: It cannot be read, or not be written.
        """
        for collection in await asyncio.to_thread(local_collections, self._folder):
            try:
                await self._take_over(collection)
            except StoreUnavailableError as exc:
                raise SettingsError(
                    f"DATA_DIR: vectors of an earlier version are not taken over: {exc.message};"
                    " accepted: files that can be read, as a backup restored them, and a disk with"
                    " some space"
                ) from exc

    async def run(self) -> None:
        """There is nothing to do in the background."""

    async def reserve(self, kb: str, caller: Holder | None) -> None:
        if self._places is not None:
            await self._set_up()
            await self._places.reserve(kb, caller, self._dimensions)

    async def store(
        self,
        kb: str,
        cleared: int,
        vectors: Mapping[str, Vector],
        labels: Mapping[str, str] = {},  # never changed
    ) -> None:
        if not vectors:
            return
        await self._set_up()
        changed = await self._file.write(lambda db: _write(db, kb, cleared, vectors, labels))
        if self._places is not None:
            self._places.taken(kb)
        if self._matrices is not None:
            await self._file.read(lambda _: self._follow((kb, cleared), vectors, changed))

    async def neighbors(
        self, kb: str, cleared: int, vector: Vector, *, limit: int, min_score: float
    ) -> tuple[Near, ...]:
        dimension = await self.dimension(kb, cleared)
        if dimension is None or limit < 1:
            return ()
        check_dimension(vector, dimension)
        await self._load_matrices()
        towards = direction(vector)

        async def candidates(count: int, least: float) -> list[tuple[float, Stored]]:
            return await self._file.read(
                lambda db: self._candidates(db, kb, cleared, towards, count, least)
            )

        return await nearest(candidates, vector, limit=limit, min_score=min_score)

    async def known(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, Stored]:
        if not await self._exists():
            return {}
        return await self._file.read(lambda db: embedded_file.known(db, kb, cleared, symbols))

    async def labels(self, kb: str, cleared: int, symbols: Collection[str]) -> Mapping[str, str]:
        if not await self._exists():
            return {}
        return await self._file.read(lambda db: embedded_file.labels(db, kb, cleared, symbols))

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        dimension = await self.dimension(kb, cleared)
        if dimension is not None:
            symbols = await self._file.read(
                lambda db: in_order(embedded_file.symbols(db, kb, cleared))
            )
            size = page_size(dimension)
            for some in (symbols[i : i + size] for i in range(0, len(symbols), size)):
                known = await self.known(kb, cleared, some)
                yield [known[symbol] for symbol in some if symbol in known]
        # An export may run before the service of this version has started for the first time.
        for collection in await asyncio.to_thread(local_collections, self._folder):
            if (collection.kb, collection.cleared) == (kb, cleared):
                ordered = await asyncio.to_thread(collection.ordered)
                known = await self.known(kb, cleared, [one.symbol for one in ordered])
                yield [one for one in ordered if one.symbol not in known]

    async def drop_before(self, kb: str, cleared: int) -> None:
        if not cleared:
            return
        if await self._exists():
            await self._file.write(lambda db: _drop_before(db, kb, cleared))
            await self._file.read(lambda _: self._forget_before(kb, cleared))
            if self._places is not None and await self.dimension(kb, cleared) is None:
                self._places.give_back(kb)
        await asyncio.to_thread(self._drop_older, kb, cleared)

    async def count(self, kb: str, cleared: int) -> int:
        if not await self._exists():
            return 0
        return await self._file.read(lambda db: embedded_file.count(db, kb, cleared))

    async def dimension(self, kb: str, cleared: int) -> int | None:
        known = self._agreed.get(kb, cleared)
        if known is None and await self._exists():
            known = await self._file.read(lambda db: sqlite_dimensions.of(db, kb, cleared))
            if known is not None:
                self._agreed.keep(kb, cleared, known)
        return known

    async def close(self) -> None:
        await self._file.close()

    async def _exists(self) -> bool:
        """Whether there is a file with the tables; the first write makes it."""
        if not self._is_set_up and self._path.exists():
            if self._only_reads:
                return True
            await self._set_up()  # it may have been begun only
        return self._is_set_up

    async def _set_up(self) -> None:
        if not self._is_set_up:
            await self._file.write(embedded_file.set_up)
            self._is_set_up = True

    async def _load_matrices(self) -> None:
        if self._matrices is None:
            module = await asyncio.to_thread(import_module, _MATRICES)
            if self._matrices is None:
                self._matrices = module.VectorMatrices()

    def _candidates(
        self,
        db: sqlite3.Connection,
        kb: str,
        cleared: int,
        towards: Vector,
        limit: int,
        min_score: float,
    ) -> list[tuple[float, Stored]]:
        matrix = self._matrix(db, (kb, cleared), len(towards))
        found = matrix.nearest(towards, limit, min_score)
        known = embedded_file.known(db, kb, cleared, [symbol for _, symbol in found])
        return [(score, known[symbol]) for score, symbol in found if symbol in known]

    def _matrix(
        self, db: sqlite3.Connection, key: tuple[str, int], dimension: int
    ) -> "VectorMatrix":
        assert self._matrices is not None  # every search loads them first
        matrix = self._matrices.get(key)
        if matrix is None:
            matrix = self._matrices.new(dimension)
            for batch in embedded_file.batches(db, *key, dimension):
                matrix.add(batch)
            self._matrices.keep(key, matrix)
        return matrix

    def _follow(self, key: tuple[str, int], vectors: Mapping[str, Vector], changed: bool) -> None:
        """Bring the matrix in memory up to date with what was stored."""
        matrix = self._matrices.get(key) if self._matrices else None
        if self._matrices is None or matrix is None:
            return
        if changed:
            self._matrices.forget(key)
            return
        matrix.add({symbol: packed(vector) for symbol, vector in vectors.items()})
        self._matrices.keep(key, matrix)

    def _forget_before(self, kb: str, cleared: int) -> None:
        if self._matrices is not None:
            self._matrices.forget_before(kb, cleared)

    async def _take_over(self, collection: LocalCollection) -> None:
        await self._set_up()
        state = collection.state
        known = await self._file.write(lambda db: embedded_file.state_of(db, collection.name))
        if known == state:
            return
        pages, count = collection.vectors(), 0
        while page := await asyncio.to_thread(next, pages, None):
            await self._file.write(partial(_copy, kb=collection, page=page))
            count += len(page)
        await self._file.write(lambda db: embedded_file.set_state(db, collection.name, state))
        log.info("vectors taken over", processor_id=collection.kb, vectors=count)

    def _drop_older(self, kb: str, cleared: int) -> None:
        for collection in local_collections(self._folder):
            if collection.kb == kb and collection.cleared < cleared:
                shutil.rmtree(collection.file.parent, ignore_errors=True)


def _write(
    db: sqlite3.Connection,
    kb: str,
    cleared: int,
    vectors: Mapping[str, Vector],
    labels: Mapping[str, str],
) -> bool:
    """Write all of *vectors* or none; gives whether one of them replaced other components."""
    with transaction(db):
        dimension = sqlite_dimensions.agree(db, kb, cleared, len(next(iter(vectors.values()))))
        for vector in vectors.values():
            check_dimension(vector, dimension)
        known = embedded_file.known(db, kb, cleared, vectors)
        embedded_file.write(db, kb, cleared, vectors, labels)
    return any(known[symbol].vector != vectors[symbol] for symbol in known)


def _copy(db: sqlite3.Connection, kb: LocalCollection, page: list[Stored]) -> None:
    with transaction(db):
        sqlite_dimensions.agree(db, kb.kb, kb.cleared, len(page[0].vector))
        embedded_file.write_missing(db, kb.kb, kb.cleared, page)


def _drop_before(db: sqlite3.Connection, kb: str, cleared: int) -> None:
    with transaction(db):
        embedded_file.drop_before(db, kb, cleared)
    # What was dropped is overwritten in its pages. The write-ahead log has it until all of it is in
    # the file.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
