"""The API keys that open an instance, known by their hashes only (decision 0034)."""

import secrets
from collections.abc import Iterable
from hashlib import blake2b, sha256

from kato_service.access.key_lines import KeyLine
from kato_service.access.scopes import GRANTED, Caller, Scope, with_included

KEY_BYTES = 32
"""Of randomness in a new key: nobody guesses it, so one round of SHA-256 is enough to store it."""
PREFIX = "kato_"
"""Lets people and scanners recognise a key that leaked."""
ONLY_KEY = "api-key"
"""What logs call the key of API_KEY or API_KEY_FILE."""


class ApiKeys:
    """Which caller a key stands for.

    Keys are looked up by a keyed hash of their SHA-256, whose own key is random in each process:
    how long a look-up takes says nothing about the keys that exist.
    """

    def __init__(self, lines: Iterable[KeyLine] = (), only_keys: Iterable[str] = ()) -> None:
        """Named keys, and the one key of an instance, which may do everything.

        There are several of the latter while it is being replaced.
        """
        self._blinding = secrets.token_bytes(32)
        self._callers = {self._blinded(bytes.fromhex(it.sha256)): it.caller for it in lines}
        for only_key in only_keys:
            caller = Caller("key", ONLY_KEY, with_included((Scope.ADMIN,)), is_shared=True)
            self._callers[self._blinded(sha256(only_key.encode()).digest())] = caller

    def caller(self, key: bytes) -> Caller | None:
        """Whose key it is; None: nobody's."""
        return self._callers.get(self._blinded(sha256(key).digest()))

    def __len__(self) -> int:
        return len(self._callers)

    def _blinded(self, digest: bytes) -> bytes:
        return blake2b(digest, key=self._blinding, digest_size=32).digest()


def new_key() -> str:
    """A new key, for its holder; KATO keeps only its `key_line`."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def key_line(key: str, *, name: str, scopes: Iterable[str], user: str | None) -> KeyLine:
    """The line of the key file for *key*.

    Raises:
        pydantic.ValidationError: The name, a scope or the user is not accepted.
    """
    given = set(scopes)
    ordered = [scope.value for scope in GRANTED if scope in given]
    fields = {"name": name, "sha256": sha256(key.encode()).hexdigest(), "scopes": ordered}
    return KeyLine.model_validate(fields | {"user": user})
