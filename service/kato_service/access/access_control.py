"""Who a request comes from, by the credentials that it carries."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from kato_service.access.audit import AuditLog
from kato_service.access.credentials import MAX_CREDENTIAL_BYTES, Credential
from kato_service.access.key_ring import KeyRing
from kato_service.access.scopes import ANYONE, Caller
from kato_service.errors import UnauthorizedError

Mode = Literal["none", "api_key", "token"]
_ASKED_FOR = {
    "api_key": "an API key is required: X-API-Key or Authorization: Bearer",
    "token": "a token is required: Authorization: Bearer",
}
_UNKNOWN = 'Bearer error="invalid_token"'


class TokenSource(Protocol):
    """`Tokens`, whose library only instances with tokens load."""

    @property
    def problem(self) -> str | None: ...
    async def caller(self, token: bytes) -> Caller: ...
    async def run(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceState:
    """Where an instance knows credentials from, and whether that can be read now."""

    source: str
    """A variable that names a file or an issuer."""
    usable: bool


class AccessControl:
    def __init__(
        self, mode: Mode, audit: AuditLog, keys: KeyRing, tokens: TokenSource | None = None
    ) -> None:
        self.mode = mode
        self.audit = audit
        self.keys = keys
        self._tokens = tokens

    async def caller(self, credential: Credential | None) -> Caller:
        """Who sends this credential.

        Raises:
            UnauthorizedError: There is none, or it is nobody's.
            AuthUnavailableError: It cannot be checked now.
        """
        if self.mode == "none":
            return ANYONE
        if credential is None:
            raise UnauthorizedError(_ASKED_FOR[self.mode])
        if len(credential.text) > MAX_CREDENTIAL_BYTES:
            raise UnauthorizedError(
                f"the credential is longer than {MAX_CREDENTIAL_BYTES} bytes", challenge=_UNKNOWN
            )
        if self._tokens is not None and credential.is_token_shaped:
            return await self._tokens.caller(credential.text)
        caller = self.keys.caller(credential.text)
        if caller is None:
            raise UnauthorizedError(self._wrong, challenge=_UNKNOWN)
        return caller

    async def run(self) -> None:
        """Follow files and issuer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keys.run())
            if self._tokens is not None:
                tasks.create_task(self._tokens.run())

    async def close(self) -> None:
        if self._tokens is not None:
            await self._tokens.close()

    def sources(self) -> Iterator[SourceState]:
        for file in self.keys.files:
            yield SourceState(file.variable, file.problem is None)
        if self._tokens is not None:
            yield SourceState("TOKEN_ISSUER", self._tokens.problem is None)

    @property
    def is_healthy(self) -> bool:
        return all(state.usable for state in self.sources())

    @property
    def _wrong(self) -> str:
        if self.mode == "api_key" or len(self.keys):
            return "the API key is wrong; send one that this instance knows"
        return "the token cannot be read; send a new one"
