"""The credentials of a request: an API key or a token, from the headers of HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_CREDENTIAL_BYTES = 16 * 1024
"""Longer ones are nobody's, and are not looked at."""
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
