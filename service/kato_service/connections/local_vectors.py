"""The folder of embedded vectors, which one process uses at a time."""

import asyncio
import fcntl
from pathlib import Path
from typing import TextIO

from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import SettingsError

_IN_USE = (
    "DATA_DIR: another process uses its vectors; accepted: a folder that no other process uses"
)


class LocalVectors:
    """A `StorePool` without connections: it locks the folder, as earlier versions did."""

    name = "qdrant"
    backend = "local"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: TextIO | None = None

    async def open(self) -> None:
        """Keep other processes out until `close`.

        Raises:
            SettingsError: Another process uses the folder.
        """
        await asyncio.to_thread(self._take)

    async def check(self) -> None:
        """Do nothing: there is no server."""

    def usage(self) -> PoolUsage:
        return PoolUsage()

    async def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / ".lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            lock.close()
            raise SettingsError(_IN_USE) from exc
        self._lock = lock
