"""Embedded vectors, read while a service uses them: it locks their folder, but not their files.

Only transfers use this. Each page is one short read, so that the service can write in between.
"""

import pickle
import sqlite3
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.stores.qdrant_store import collection_name, components_in, page_size
from kato_service.knowledge.stores.vector_store import VectorPage

BUSY_TIMEOUT_S = 10.0
FEWEST = 1
"""Vectors in the first page, which tells the dimension."""


class VectorFiles:
    """The folder of the Qdrant client's local mode, read-only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def pages(self, kb: str, cleared: int) -> AsyncIterator[VectorPage]:
        """All vectors, in the order in which a server gives them.

        Raises:
            StoreUnavailableError: A file cannot be read.
        """
        file = self._folder / "collection" / collection_name(kb, cleared) / "storage.sqlite"
        if not file.exists():
            return
        keys = iter(self._keys(file))
        size = FEWEST
        while chosen := list(islice(keys, size)):
            page = _page(file, chosen)
            yield page
            size = page_size(len(page[0][1])) if page else size

    def _keys(self, file: Path) -> list[str]:
        """Keys of all points, in order of the points' ids."""
        rows = _rows(file, "SELECT id FROM points")
        return sorted(
            (str(key) for (key,) in rows), key=lambda key: str(_unpickled(b64decode(key)))
        )


def _page(file: Path, keys: Sequence[str]) -> VectorPage:
    marks = ",".join("?" * len(keys))
    rows = _rows(file, f"SELECT id, point FROM points WHERE id IN ({marks})", keys)
    payloads: dict[str, Mapping[str, Any]] = {
        key: _unpickled(point).payload or {} for key, point in rows
    }
    found = (payloads[key] for key in keys if key in payloads)
    return [(str(payload["symbol"]), components_in(payload)) for payload in found]


def _rows(file: Path, query: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    try:
        url = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(url, uri=True, timeout=BUSY_TIMEOUT_S)) as db:
            return db.execute(query, values).fetchall()
    except sqlite3.Error as exc:
        raise StoreUnavailableError(f"the file of vectors {str(file)!r} cannot be read") from exc


def _unpickled(content: bytes) -> Any:
    return pickle.loads(content)  # written by this program's own engine
