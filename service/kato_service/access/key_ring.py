"""The keys of an instance as their files hold them now: read again when they change."""

import asyncio
from collections.abc import Iterable

from kato_service.access.audit import AuditLog
from kato_service.access.key_lines import KeyLine
from kato_service.access.keys import ApiKeys
from kato_service.access.scopes import Caller
from kato_service.access.watched_file import WatchedFile

POLL_S = 2.0
"""Between two looks at the files."""


class KeyRing:
    def __init__(
        self,
        audit: AuditLog,
        *,
        only_key: str | None = None,
        only_key_file: WatchedFile[tuple[str, ...]] | None = None,
        named_keys: WatchedFile[tuple[KeyLine, ...]] | None = None,
    ) -> None:
        """*only_key*, which may do everything, is fixed; the files may change.

        The file of the only key may hold several, one per line, while it is being replaced.
        """
        self._audit = audit
        self._only_key = only_key
        self._only_key_file = only_key_file
        self._named_keys = named_keys
        self._keys = self._read()

    def caller(self, key: bytes) -> Caller | None:
        return self._keys.caller(key)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def files(self) -> tuple[WatchedFile[tuple[str, ...]] | WatchedFile[tuple[KeyLine, ...]], ...]:
        return tuple(file for file in (self._only_key_file, self._named_keys) if file is not None)

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while self.files:
            await asyncio.sleep(POLL_S)
            await self.poll()

    async def poll(self) -> None:
        """Use what changed since the last look."""
        for file in self.files:
            if await file.poll():
                self._keys = self._read()
                self._audit.reloaded(file.variable, len(self._keys))

    def _read(self) -> ApiKeys:
        only: tuple[str, ...] = () if self._only_key is None else (self._only_key,)
        only = only if self._only_key_file is None else self._only_key_file.value
        named: Iterable[KeyLine] = () if self._named_keys is None else self._named_keys.value
        return ApiKeys(named, only)
