"""Tokens that an issuer signed (JWT): verified, and turned into callers (decision 0035)."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from kato_service.access.issuer_keys import IssuerKeys, VerificationKey
from kato_service.access.scopes import GRANTED, Caller, Scope, with_included
from kato_service.domain.identity import is_user_id
from kato_service.errors import UnauthorizedError

LEEWAY_S = 30.0
"""By which the clocks of issuer and service may differ."""
MAX_VERIFIED = 4096
"""Tokens that are remembered as verified."""
_REQUIRED = ("exp", "iss", "aud", "sub")
_INVALID = 'Bearer error="invalid_token"'
_PREFIX = "kato:"
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is from another issuer",
    jwt.InvalidAlgorithmError: "the token is signed by an algorithm that its key is not for",
    jwt.InvalidSignatureError: "the signature of the token is wrong",
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    audiences: tuple[str, ...]
    user_claim: str = "sub"
    scope_claim: str | None = None
    """None: every token has *scopes*."""
    scopes: tuple[str, ...] = ("read", "write")
    admin_subjects: frozenset[str] = frozenset()
    """Values of `sub` that have the scope admin whatever their token says."""


class Tokens:
    def __init__(
        self, rules: TokenRules, keys: IssuerKeys, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._verified: dict[bytes, tuple[int, Caller]] = {}
        """By the hash of the token: the generation of the keys, and the caller."""

    @property
    def problem(self) -> str | None:
        """Why the keys of the issuer could not be fetched last."""
        return self._keys.problem

    async def run(self) -> None:
        """Keep the issuer's keys fresh until cancelled."""
        await self._keys.run()

    async def close(self) -> None:
        await self._keys.close()

    async def caller(self, token: bytes) -> Caller:
        """Who a token stands for.

        Raises:
            UnauthorizedError: The token is not valid; the message says why.
            AuthUnavailableError: The keys of the issuer could not be fetched.
        """
        digest = sha256(token).digest()
        generation, caller = self._verified.get(digest, (-1, None))
        if caller and generation == self._keys.generation and not self._keys.are_stale:
            if caller.until > self._clock():
                return caller
            raise _refused("the token has expired")
        caller = self._caller(await self._claims(token))
        self._remember(digest, caller)
        return caller

    def _remember(self, digest: bytes, caller: Caller) -> None:
        while len(self._verified) >= MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (self._keys.generation, caller)

    async def _claims(self, token: bytes) -> Mapping[str, Any]:
        key = await self._key(token)
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=key.algorithms,
                audience=self._rules.audiences,
                issuer=self._keys.issuer,
                leeway=LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
        except jwt.MissingRequiredClaimError as exc:
            raise _refused(f"the token lacks the claim {exc.claim}") from None
        except jwt.PyJWTError as exc:
            raise _refused(_REASONS.get(type(exc), "the token cannot be read")) from None
        except (OverflowError, ValueError):  # times that no clock knows
            raise _refused("the token cannot be read") from None

    async def _key(self, token: bytes) -> VerificationKey:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise _refused("the token cannot be read") from None
        key = await self._keys.key(str(header.get("kid", "")))
        if key is None:
            raise _refused("the token is signed with a key that its issuer does not publish")
        return key

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        user = claims.get(self._rules.user_claim)
        if not isinstance(user, str) or not is_user_id(user):
            raise _refused(f"the claim {self._rules.user_claim} of the token is no user id")
        subject = str(claims["sub"])
        granted = set(self._granted(claims))
        if subject in self._rules.admin_subjects:
            granted.add(Scope.ADMIN)
        own = None if Scope.ADMIN in granted else user
        until = float(claims["exp"]) + LEEWAY_S
        return Caller("token", subject, with_included(granted), own, until=until)

    def _granted(self, claims: Mapping[str, Any]) -> Iterable[Scope]:
        """Scopes by their names, with or without the prefix that keeps them apart from others'."""
        claim = self._rules.scope_claim
        given: Any = self._rules.scopes if claim is None else claims.get(claim, ())
        words = given.split() if isinstance(given, str) else given
        if not isinstance(words, (list, tuple)):
            return ()
        named = {word.removeprefix(_PREFIX) for word in words if isinstance(word, str)}
        return (scope for scope in GRANTED if scope in named)


def _refused(reason: str) -> UnauthorizedError:
    return UnauthorizedError(f"{reason}; send a new one", challenge=_INVALID)
