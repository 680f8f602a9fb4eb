"""The public keys of a token issuer: fetched in the background and cached.

Requests almost never wait for the issuer: only for the first fetch, and for a key id that is not
known yet, for which it is asked every five seconds at most.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

import structlog
from jwt import PyJWK, PyJWTError

from kato_service.access.issuer_documents import IssuerAddress, IssuerDocuments
from kato_service.backoff import Backoff
from kato_service.errors import AuthUnavailableError, UnusableError

log = structlog.get_logger()

REFRESH_S = 300.0
"""Between two fetches in the background."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
"""After a fetch that failed."""
LOOK_AGAIN_S = 5.0
"""Between two fetches that unknown key ids cause: anybody can invent one."""
KEPT_S = 24 * 3600.0
"""How long keys stay in use while the issuer cannot be reached."""
WAIT_S = 5.0
"""That a request waits for a fetch."""
MAX_WAITING = 64
"""Requests that wait for a fetch; the others are refused at once."""
MAX_KEYS = 100
MIN_RSA_BITS = 2048
_UNREACHABLE = "the keys of the token issuer could not be fetched; retry later"
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True, slots=True)
class VerificationKey:
    key: Any
    """As `cryptography` has it."""
    algorithms: tuple[str, ...]
    """That a token signed with it may name; all of them asymmetric."""


class IssuerKeys:
    def __init__(
        self,
        address: IssuerAddress,
        *,
        documents: IssuerDocuments | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait_s: float = WAIT_S,
    ) -> None:
        """Nothing is fetched yet; *wait_s*: see `WAIT_S`."""
        self.generation = 0
        """Grows whenever the keys change: what was verified before is verified again."""
        self.issuer = address.issuer
        """Of the tokens that are signed with them; None: not known before the first fetch."""
        self.problem: str | None = "not fetched yet"
        """Why the last fetch failed."""
        self._documents = documents or IssuerDocuments(address)
        self._clock = clock
        self._wait_s = wait_s
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = -inf
        self._looked_at = -inf
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while True:
            await self._fetch_shared()
            if self.problem is None:
                backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
                await asyncio.sleep(REFRESH_S)
            else:
                await backoff.pause()

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching

    async def key(self, key_id: str) -> VerificationKey | None:
        """The key of that id ('': the only one of an issuer that names none); None: no such key.

        Raises:
            AuthUnavailableError: The issuer could not be asked.
        """
        found = self._known(key_id)
        if found is None and self._may_look_again():
            self._looked_at = self._clock()
            await self._await_fetch()
            found = self._known(key_id)
        if found is None and self.problem is not None:
            raise AuthUnavailableError(_UNREACHABLE)
        return found

    @property
    def are_stale(self) -> bool:
        """Whether nobody may rely on them any more, as they could not be refreshed for too long."""
        return self._clock() - self._fetched_at > KEPT_S

    def _known(self, key_id: str) -> VerificationKey | None:
        if self.are_stale:
            return None
        if not key_id and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _may_look_again(self) -> bool:
        running = self._fetching is not None and not self._fetching.done()
        return running or self._clock() - self._looked_at >= LOOK_AGAIN_S

    async def _await_fetch(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise AuthUnavailableError(_UNREACHABLE)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._fetch_shared()
        except TimeoutError as exc:
            raise AuthUnavailableError(_UNREACHABLE) from exc
        finally:
            self._waiting -= 1

    async def _fetch_shared(self) -> None:
        """Fetch the keys, once for all who wait meanwhile; `problem` says how it went."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            keys = _usable(await self._documents.key_set())
        except UnusableError as exc:
            self._failed(exc.message)
            return
        if self.problem is not None or keys.keys() != self._keys.keys():
            log.info("token keys fetched", keys=len(keys))
        if not self._keys:
            self._looked_at = -inf  # nobody looked for a key among others yet
        self.problem, self._fetched_at = None, self._clock()
        self._keys, self.generation = keys, self.generation + 1
        self.issuer = self._documents.issuer

    def _failed(self, reason: str) -> None:
        if reason != self.problem:
            log.error("token keys not fetched, known ones stay", reason=reason,
                      known=len(self._keys))  # fmt: skip
        self.problem = reason


def _usable(key_set: Mapping[str, Any]) -> dict[str, VerificationKey]:
    """The signature keys of a JWK set by their ids.

    Raises:
        UnusableError: There is none.
    """
    listed = key_set.get("keys")
    if not isinstance(listed, list):
        raise UnusableError("the key set has no list of keys")
    found: dict[str, VerificationKey] = {}
    for item in listed[:MAX_KEYS]:
        key = _verification_key(item) if isinstance(item, dict) else None
        if key is not None:
            found.setdefault(str(item.get("kid", "")), key)
    if not found:
        raise UnusableError("the key set has no RSA, EC or Ed25519 key for signatures")
    return found


def _verification_key(item: dict[str, Any]) -> VerificationKey | None:
    algorithms = _algorithms(item)
    if not algorithms or item.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(item, algorithm=algorithms[0]).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if item["kty"] == "RSA" and key.key_size < MIN_RSA_BITS:
        return None
    # A private key in a published set: only its public part is any of our business.
    public = key.public_key() if hasattr(key, "public_key") else key
    return VerificationKey(public, algorithms)


def _algorithms(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The algorithms that fit a key's type; the one it names, if it names one of them."""
    kind, curve, named = item.get("kty"), item.get("crv"), item.get("alg")
    fitting: tuple[str, ...] = ()
    if kind == "RSA":
        fitting = _RSA
    elif kind == "EC" and curve in _CURVES:
        fitting = (_CURVES[curve],)
    elif kind == "OKP" and curve == "Ed25519":
        fitting = ("EdDSA",)
    return fitting if named is None else tuple(one for one in fitting if one == named)
