"""TLS on the service's own port: a certificate and a key from files, re-read when they change.

Decision 0033 explains why each handshake chooses its context.
"""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any

import structlog

from kato_service.errors import SettingsError
from kato_service.settings.rules import tls_context

log = structlog.get_logger()

LOOK_S = 2.0
"""Seconds between two looks at the files."""


class Certificate:
    """The pair in use; `context` is for the listening socket and serves whatever pair is newest."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises SettingsError: the files are no pair."""
        self._files = (certificate, key)
        self._seen = _digest(self._files)
        self._newest = tls_context(*self._files)
        self.context = tls_context(*self._files)
        self.context.sni_callback = self._choose

    async def watch(self) -> None:
        """Take over new pairs until cancelled. Connections that exist keep what they have."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        seen = _digest(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._newest = tls_context(*self._files)
        except SettingsError as error:
            # The two files may be replaced one after the other: the next look sees the other one.
            log.warning("certificate not used, the last good one stays", reason=error.message)
            return
        log.info("certificate re-read", certificate=str(self._files[0]))

    def _choose(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in every handshake, with or without a server name."""
        connection.context = self._newest


def _digest(files: tuple[Path, Path]) -> bytes:
    """What tells contents apart; times of files cannot, where a directory is swapped as a whole."""
    digest = hashlib.sha256()
    for path in files:
        try:
            digest.update(path.read_bytes())
        except OSError:
            digest.update(b"unreadable")
        digest.update(b"\0")
    return digest.digest()
