"""What a token issuer publishes: its discovery document and its key set, over HTTPS."""

import asyncio
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt

from kato_service.access.watched_file import line_of
from kato_service.errors import UnusableError
from kato_service.settings.rules import safe_url

TIMEOUT_S = 3.0
"""To connect, and between two pieces of an answer."""
TOTAL_TIMEOUT_S = 10.0
MAX_DOCUMENT_BYTES = 2**20
_ACCEPTED = "application/json, application/jwk-set+json"
"""The API server of Kubernetes sends its keys as the second type only."""
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class IssuerAddress:
    issuer: str | None
    """None: that of the token in *bearer_file*; then *key_set_url* is needed."""
    key_set_url: str | None = None
    """None: as the issuer's discovery document says."""
    ca_file: Path | None = None
    """Certificates that are trusted instead of the system's."""
    bearer_file: Path | None = None
    """Token that the issuer asks for, as a Kubernetes API server does; read anew each time."""


class IssuerDocuments:
    def __init__(self, address: IssuerAddress) -> None:
        self._address = address
        self.issuer = address.issuer
        """What tokens name as their issuer; None: no file said so yet."""

    async def key_set(self) -> dict[str, Any]:
        """The JWK set.

        Raises:
            UnusableError: It could not be fetched; the message says why, without addresses.
        """
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_S), await self._client() as client:
                return await self._document(client, await self._key_set_url(client))
        except TimeoutError:
            raise UnusableError("the issuer did not answer in time") from None
        except httpx.TimeoutException:
            raise UnusableError("the issuer did not answer in time") from None
        except httpx.ConnectError as exc:
            raise UnusableError(f"the issuer cannot be reached ({_cause(exc)})") from None
        except httpx.HTTPError as exc:
            raise UnusableError(
                f"the issuer's answer cannot be read ({type(exc).__name__})"
            ) from None

    async def _client(self) -> httpx.AsyncClient:
        """A client with the certificates and the token of now."""
        context, token = await asyncio.to_thread(self._read_files)
        headers = {"accept": _ACCEPTED, "user-agent": "kato-service"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
            self.issuer = self._address.issuer or _issuer_of(token)
        return httpx.AsyncClient(
            verify=context, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )

    def _read_files(self) -> tuple[ssl.SSLContext, str | None]:
        """In a thread: reading the system's certificates takes tens of milliseconds."""
        ca_file, bearer_file = self._address.ca_file, self._address.bearer_file
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError:  # ssl.SSLError is one
            raise UnusableError("TOKEN_CA_FILE cannot be read, or holds no certificate") from None
        if bearer_file is None:
            return context, None
        try:
            return context, line_of(bearer_file.read_bytes())
        except (OSError, UnusableError):
            raise UnusableError("TOKEN_JWKS_BEARER_FILE cannot be read, or is empty") from None

    async def _key_set_url(self, client: httpx.AsyncClient) -> str:
        if self._address.key_set_url is not None:
            return self._address.key_set_url
        issuer = str(self._address.issuer)
        found = await self._document(client, issuer.rstrip("/") + _DISCOVERY)
        if found.get("issuer") != issuer:
            raise UnusableError("the discovery document is another issuer's than TOKEN_ISSUER")
        try:
            return safe_url(str(found.get("jwks_uri")))
        except ValueError:
            reason = "the discovery document names no https address of keys (jwks_uri)"
            raise UnusableError(reason) from None

    async def _document(self, client: httpx.AsyncClient, url: str) -> dict[str, Any]:
        body = bytearray()
        async with client.stream("GET", url) as response:
            if response.status_code != 200:
                raise UnusableError(f"the issuer answered {response.status_code}")
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise UnusableError(f"the issuer sent more than {MAX_DOCUMENT_BYTES} bytes")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise UnusableError("the issuer did not send JSON") from None
        if not isinstance(found, dict):
            raise UnusableError("the issuer did not send a JSON object")
        return found


def _issuer_of(token: str) -> str:
    """The issuer of a token that came from a file, so that nobody else can have written it."""
    with suppress(jwt.PyJWTError, ValueError):
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        if isinstance(issuer, str) and issuer:
            return issuer
    raise UnusableError("TOKEN_JWKS_BEARER_FILE holds no token that names its issuer")


def _cause(exc: BaseException) -> str:
    """What went wrong below: a refused connection, a certificate."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
