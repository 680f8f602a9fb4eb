"""The credentials of a request: an API key or a token, from the headers of HTTP."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kato_service.errors import UnauthorizedError

MAX_CREDENTIAL_BYTES = 16 * 1024
"""Longer ones are nobody's, and are not looked at."""
SUBPROTOCOL = "kato"
"""What a WebSocket speaks; the only sub-protocol that the service ever selects."""
_KEY_PROTOCOL = "kato.key."
"""Before a credential in base64url: pages can set no header of a WebSocket but this (0043)."""
_BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class Credential:
    text: bytes
    bearer: bool
    """It came as Authorization: Bearer, as every token does and a key may."""

    @property
    def is_token_shaped(self) -> bool:
        """Whether it has the form of a signed JWT: three parts."""
        return self.bearer and self.text.count(b".") == 2


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
    """What the headers (lower-case names) carry: X-API-Key first, then Authorization: Bearer."""
    bearer: bytes | None = None
    for name, value in headers:
        if name == b"x-api-key" and value:
            return Credential(value, bearer=False)
        if bearer is None and name == b"authorization" and value[:7].lower() == _BEARER:
            bearer = value[7:].strip() or None
    return None if bearer is None else Credential(bearer, bearer=True)


def credential_in(subprotocols: Sequence[str]) -> Credential | None:
    """What the sub-protocols carry that a WebSocket offers: a key or a token, in base64url.

    Raises:
        UnauthorizedError: What they carry is not one credential, or `SUBPROTOCOL` is not offered
            with it: a browser fails unless one is selected, and a credential is never sent back.
    """
    carriers = [one for one in subprotocols if one.startswith(_KEY_PROTOCOL)]
    given = [one.removeprefix(_KEY_PROTOCOL) for one in carriers]
    if not given:
        return None
    if len(given) > 1 or SUBPROTOCOL not in subprotocols:
        raise UnauthorizedError(
            f"offer two sub-protocols: {SUBPROTOCOL}, and {_KEY_PROTOCOL} with one key or token"
        )
    text = given[0].rstrip("=").encode("utf-8", "surrogateescape")
    try:
        # The decoder skips what is not base64url, so only writing it again shows it.
        found = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        found = b""
    if not found or _encoded(found) != text:
        raise UnauthorizedError(
            f"the sub-protocol {_KEY_PROTOCOL}… does not hold a key or token in base64url"
        )
    return Credential(found, bearer=True)


def _encoded(text: bytes) -> bytes:
    return urlsafe_b64encode(text).rstrip(b"=")
