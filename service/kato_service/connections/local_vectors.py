"""The folder of the Qdrant client's own engine, before that engine is loaded.

Importing the Qdrant client takes longer than everything else at the start together, and most
instances never store a vector. So a folder without vectors is only locked, the way the engine does.
"""

import fcntl
import json
from pathlib import Path
from typing import TextIO

from kato_service.errors import SettingsError

_IN_USE = (
    "DATA_DIR: another process uses its vectors; accepted: a folder that no other process uses"
)


class LocalVectors:
    """A folder that one process uses at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: TextIO | None = None

    def lock(self) -> None:
        """Keep other processes out until `unlock`.

        Raises:
            SettingsError: Another process uses the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / ".lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            lock.close()
            raise SettingsError(_IN_USE) from exc
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def are_stored(self) -> bool:
        """Whether a collection exists, or the list of them cannot be read (the engine says why)."""
        try:
            content = self._list.read_text(encoding="utf-8")
            return bool(content) and bool(json.loads(content)["collections"])
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def prepare(self) -> None:
        """Begin the list of collections. The engine would write it in place: on a full disk, or
        killed meanwhile, it would leave an empty file that it cannot read again.

        Raises:
            OSError: It cannot be written; then nothing has changed.
        """
        if self._list.exists() and self._list.stat().st_size:
            return
        begun = self.path / "meta.json.begun"
        begun.write_text(json.dumps({"collections": {}, "aliases": {}}), encoding="utf-8")
        begun.replace(self._list)

    @property
    def _list(self) -> Path:
        return self.path / "meta.json"

    def damaged(self) -> SettingsError:
        """The refusal of a folder whose list of collections cannot be read."""
        return SettingsError(
            f"DATA_DIR: {self._list} is damaged; accepted: the folder as a backup restored it, or"
            " without the vectors"
        )

    def in_use(self) -> SettingsError:
        """The refusal of a folder that another process uses."""
        return SettingsError(_IN_USE)
