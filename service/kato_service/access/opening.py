"""The parts of access, put together from the settings."""

import ssl
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from kato_service.access.access_control import AccessControl, TokenSource
from kato_service.access.audit import AuditLog
from kato_service.access.key_lines import key_lines
from kato_service.access.key_ring import KeyRing
from kato_service.access.rate_limits import Rate, RateLimits
from kato_service.access.watched_file import WatchedFile, lines_of
from kato_service.connections.database_manager import DatabaseManager
from kato_service.connections.store_pool import EmbeddedStore
from kato_service.errors import SettingsError, UnusableError
from kato_service.settings.access import ApiKey
from kato_service.settings.settings import Settings

T = TypeVar("T")
BURST_S = 2.0
"""Seconds whose requests may come at once, where no burst is set."""


def access_control(settings: Settings) -> AccessControl:
    """Who may call, as the settings say.

    Raises:
        SettingsError: A file of keys cannot be used.
    """
    audit = AuditLog()
    only_key = None if settings.api_key is None else settings.api_key.get_secret_value()
    keys = KeyRing(
        audit,
        only_key=only_key,
        only_key_file=_watched("API_KEY_FILE", settings.api_key_file, _only_keys),
        named_keys=_watched("API_KEYS_FILE", settings.api_keys_file, key_lines),
    )
    return AccessControl(settings.auth, audit, keys, _tokens(settings))


def rate_limits(settings: Settings, databases: DatabaseManager) -> RateLimits | None:
    """How often callers may come; None: as often as they like."""
    per_s = settings.rate_limit_per_s
    if per_s is None:
        return None
    rate = Rate(per_s, settings.rate_limit_burst or max(1, ceil(per_s * BURST_S)))
    if isinstance(databases.redis, EmbeddedStore):
        return RateLimits(rate)
    from kato_service.access.shared_buckets import RedisBuckets

    circuit = databases.circuits["redis"]
    return RateLimits(rate, RedisBuckets(databases.redis.client, settings.processor_id, circuit))


def _watched(
    variable: str, path: Path | None, parsed: Callable[[bytes], T]
) -> WatchedFile[T] | None:
    if path is None:
        return None
    try:
        return WatchedFile(variable, path, parsed)
    except UnusableError as exc:
        raise SettingsError(
            f"{variable}: {exc.message}; accepted: a file as access.md says"
        ) from exc


def _require_file(variable: str, path: Path | None, accepted: str) -> None:
    """Refuse a file that cannot be read now: it would fail every fetch."""
    if path is None:
        return
    try:
        path.read_bytes()
    except OSError as exc:
        raise SettingsError(
            f"{variable}: the file cannot be read ({exc.strerror}); accepted: {accepted}"
        ) from exc


def _require_certificates(variable: str, path: Path | None) -> None:
    accepted = "a file of certificates in PEM"
    _require_file(variable, path, accepted)
    try:
        if path is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as exc:
        raise SettingsError(
            f"{variable}: the file holds no certificate; accepted: {accepted}"
        ) from exc


def _only_keys(content: bytes) -> tuple[str, ...]:
    try:
        keys: TypeAdapter[ApiKey] = TypeAdapter(ApiKey)
        return tuple(keys.validate_python(it).get_secret_value() for it in lines_of(content))
    except ValidationError:
        raise UnusableError("the key holds characters that no header can carry") from None


def _tokens(settings: Settings) -> TokenSource | None:
    if settings.auth != "token":
        return None
    _require_certificates("TOKEN_CA_FILE", settings.token_ca_file)
    bearer = settings.token_jwks_bearer_file
    _require_file("TOKEN_JWKS_BEARER_FILE", bearer, "a file that holds a token")
    # Loading the library of tokens takes 50 ms, which only instances with tokens spend.
    from kato_service.access.issuer_documents import IssuerAddress
    from kato_service.access.issuer_keys import IssuerKeys
    from kato_service.access.tokens import TokenRules, Tokens

    address = IssuerAddress(
        settings.token_issuer,
        settings.token_jwks_url,
        settings.token_ca_file,
        settings.token_jwks_bearer_file,
    )
    rules = TokenRules(
        audiences=settings.token_audience,
        user_claim=settings.token_user_claim,
        scope_claim=settings.token_scope_claim,
        scopes=settings.token_scopes,
        admin_subjects=frozenset(settings.token_admin_subjects),
    )
    return Tokens(rules, IssuerKeys(address))
