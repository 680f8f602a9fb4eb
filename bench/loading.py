"""How long a knowledge base takes to be ready: from views, the log alone, or a snapshot file.

`python bench/loading.py [PATTERNS …]` prints a table. It shows seconds of the clock, and seconds of
the processors (all threads together), which other programs do not affect. The stand-in for MongoDB
cannot hold a million documents, so its row reads the server's batches from a file.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

import bson

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.log import Head
from kato_service.knowledge.model.pattern_views import PatternView, PatternViews, ViewPage
from kato_service.knowledge.replica.loading import FoldLoader
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.snapshots.snapshots import Snapshots
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.stores.view_documents import encoded_view, page_of
from kato_service.search.pattern_searcher import PatternSearcher

KB = "bench"
BATCH = 1000
SYMBOLS = 10_000
REPLAYED = 100_000
"""The most entries that are replayed; a longer log has views."""
Row = dict[str, str | int | float]


def patterns(count: int, seed: int) -> Iterator[Pattern]:
    """Patterns of 4-60 symbols, 18 on average, drawn zipf-like; in the order of first learns."""
    rng = random.Random(seed)
    for first in range(1, count + 1):
        size = max(4, min(60, round(rng.lognormvariate(2.77, 0.55))))
        drawn = [f"s{min(int(rng.paretovariate(0.5)), SYMBOLS)}" for _ in range(size)]
        events = tuple((symbol,) for symbol in drawn)
        yield Pattern(f"{rng.getrandbits(160):040x}", events, first=first, revision=first)


def batches(count: int, seed: int) -> Iterator[list[Pattern]]:
    batch: list[Pattern] = []
    for pattern in patterns(count, seed):
        batch.append(pattern)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(slots=True)
class RecordedViews:
    """Pages as a MongoDB server sends them, read from a file."""

    path: Path
    sizes: list[int]

    @classmethod
    def of(cls, path: Path, count: int, seed: int) -> "RecordedViews":
        sizes = []
        with path.open("wb") as file:
            for batch in batches(count, seed):
                documents = (encoded_view(KB, PatternView(pattern)) for pattern in batch)
                sizes.append(file.write(b"".join(map(bson.encode, documents))))
        return cls(path, sizes)

    async def statistics(self, _kb: str) -> None:
        return None

    async def page(self, _kb: str, after: str, *, limit: int) -> ViewPage:
        """The page whose number is *after*: each page gives the number of the next as its last."""
        number = int(after or 0)
        return await asyncio.to_thread(self._page, number, limit)

    def _page(self, number: int, limit: int) -> ViewPage:
        with self.path.open("rb") as file:
            file.seek(sum(self.sizes[:number]))
            encoded = StoredViews((file.read(self.sizes[number]),), is_bson=True)
        found = page_of(encoded, bson.decode, limit)
        more = number + 1 < len(self.sizes)
        return ViewPage(encoded, found.decode, last=str(number + 1), more=more)


class Stopwatch:
    def __init__(self) -> None:
        self._clock, self._processors = time.perf_counter(), time.process_time()

    def row(self, what: str, count: int, **more: float) -> Row:
        seconds = time.perf_counter() - self._clock
        computed = time.process_time() - self._processors
        return {
            "what": what,
            "patterns": count,
            "s": seconds,
            "processor s": computed,
            "processor µs / pattern": computed / count * 1e6,
            "bytes / pattern": "-",
            **more,
        }


async def loading_rows(count: int, seed: int = 1) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        rows = [await _from_sqlite(folder, count, seed)]
        rows.append(await _from_recorded(folder, count, seed))
        if count <= REPLAYED:
            rows.append(await _replayed(folder, count, seed))
        return rows + await _from_a_file(folder, count)


async def _from_sqlite(folder: Path, count: int, seed: int) -> Row:
    async with OpenLog(folder / "views.sqlite", count) as log:
        for batch in batches(count, seed):
            await log.views.write(KB, [PatternView(pattern) for pattern in batch])
        return (await _loaded(log, "views in SQLite", count))[0]


async def _from_recorded(folder: Path, count: int, seed: int) -> Row:
    recorded = RecordedViews.of(folder / "batches", count, seed)
    async with OpenLog(folder / "head.sqlite", count) as log:
        log.views = cast(PatternViews, recorded)
        return (await _loaded(log, "views as MongoDB's batches (recorded)", count))[0]


async def _replayed(folder: Path, count: int, seed: int) -> Row:
    async with OpenLog(folder / "log.sqlite", 0) as log:
        for batch in batches(count, seed):
            learns = [Learn(uuid4().hex, each.name, each.events, None, 5) for each in batch]
            await log.insert(KB, batch[0].first, learns)
        return (await _loaded(log, "the log alone, in SQLite", count))[0]


async def _from_a_file(folder: Path, count: int) -> list[Row]:
    """Write and read a snapshot of the fold that the SQLite views give."""
    snapshots = Snapshots(folder / "snapshots", limit_bytes=10**11, min_patterns=1)
    async with OpenLog(folder / "views.sqlite", count) as log:
        _, fold = await _loaded(log, "", count)
        await log.insert(KB, count, [Learn("token", "f" * 40, (("a",), ("b",)), None, 5)])
        fold.token = "token"  # the store now has this entry, and the fold is at its revision
        captured = snapshots.capture(KB, fold)
        assert captured is not None
        watch = Stopwatch()
        await snapshots.save(captured)
        size = sum(path.stat().st_size for path in (folder / "snapshots").iterdir())
        rows = [watch.row("snapshot file written", count, **{"bytes / pattern": size / count})]
        watch = Stopwatch()
        searcher = PatternSearcher("c")
        again = await snapshots.restored(KB, log, lambda: Fold(searcher.new_index()))
        assert again is not None
        assert len(again.patterns) == count
        rows.append(watch.row("snapshot file read", count))
        return rows


class OpenLog(SqliteKnowledgeLog):
    """An open log whose head has the checkpoint *count*."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(path)
        self._count = count

    async def __aenter__(self) -> "OpenLog":
        await self.start()
        await self.create(KB)
        head = await self.head(KB)
        assert head is not None
        await self.raise_head(KB, Head(head.incarnation, checkpoint=self._count))
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()


async def _loaded(log: SqliteKnowledgeLog, what: str, count: int) -> tuple[Row, Fold]:
    loader = FoldLoader(KB, log, PatternSearcher("c").new_index)
    watch = Stopwatch()
    fold = await loader.load(PendingEntries())
    assert len(fold.patterns) == count
    return watch.row(what, count, **{"bytes / pattern": fold.memory_bytes / count}), fold


def main(counts: list[int], show: Callable[[Row], object] = print) -> None:
    for count in counts or [100_000]:
        for row in asyncio.run(loading_rows(count)):
            show(row)


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]])
