"""Checks of values of the environment, alone and together (serving.md §7)."""

import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from kato_service.errors import SettingsError

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files with the memory limit of this container, for cgroup version 2 and 1."""
_PATH_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
_MAX_PREFIX_CHARS = 256


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """The store that was chosen for one role, and the URL that goes with it."""

    variable: str
    chosen: str
    """auto | embedded | disabled | the kind of a server."""
    url_variable: str
    url: object | None


def chosen_store(choice: StoreChoice) -> None:
    """Refuse a choice without the URL that it needs, and a URL that it would leave unused."""
    if choice.chosen == "auto":
        return
    given = choice.url is not None
    wanted = choice.chosen not in ("embedded", "disabled")
    if wanted and not given:
        raise SettingsError(
            f"{choice.url_variable}: missing, but {choice.variable}={choice.chosen} needs it; "
            f"accepted: a URL, or {choice.variable}=auto"
        )
    if given and not wanted:
        raise SettingsError(
            f"{choice.variable}: {choice.chosen!r} contradicts {choice.url_variable}, which is "
            f"set; accepted: auto, or no {choice.url_variable}"
        )


def require_budget(budget_s: float, request_timeout_s: float) -> None:
    """A budget that the request does not outlive would never be told of."""
    if budget_s >= request_timeout_s:
        raise SettingsError(
            f"MATCHING_BUDGET_S: {budget_s:g} is not below REQUEST_TIMEOUT; "
            f"accepted: seconds below {request_timeout_s:g}"
        )


def require_pools(min_size: int, max_size: int, *, of_default: bool) -> None:
    """Refuse a MongoDB pool whose minimum is above its maximum.

    Args:
        of_default: Nobody set the minimum.
    """
    if min_size > max_size and of_default:
        raise SettingsError(
            f"MONGO_POOL_SIZE: {max_size} is below MONGO_POOL_MIN_SIZE, whose default is "
            f"{min_size}; accepted: an integer of at least {min_size}, or a smaller "
            "MONGO_POOL_MIN_SIZE"
        )
    if min_size > max_size:
        raise SettingsError(
            f"MONGO_POOL_MIN_SIZE: {min_size} is above MONGO_POOL_SIZE; "
            f"accepted: an integer from 0 to {max_size}"
        )


def require_shared_stores(workers: int, stores: Mapping[str, str]) -> None:
    """Refuse several workers with an embedded store, which exists in one process only.

    Args:
        stores: By the variable of its URL, where each kind of data is kept.
    """
    missing = [variable for variable, store in stores.items() if store == "embedded"]
    if workers > 1 and missing:
        raise SettingsError(
            f"WORKERS: {workers} processes cannot share embedded stores; "
            f"accepted: 1, or more with {', '.join(missing)} set"
        )


def key_from_file(given: dict[str, object]) -> dict[str, object]:
    """*given*, with the first API key that the file of API_KEY_FILE holds, if it is set."""
    path = given.get("API_KEY_FILE")
    if path is None:
        return given
    if given.get("API_KEY") is not None:
        raise SettingsError("API_KEY_FILE: set together with API_KEY; accepted: only one of them")
    try:
        key = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise SettingsError(
            f"API_KEY_FILE: the file cannot be read ({reason}); accepted: a file that holds the key"
        ) from exc
    if not key:
        raise SettingsError("API_KEY_FILE: the file is empty; accepted: a file that holds the key")
    return given | {"API_KEY": key.splitlines()[0].strip()}


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with this pair.

    Raises:
        SettingsError: The files cannot be read, or are no pair.
    """
    for variable, path in (("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)):
        try:
            path.read_bytes()
        except OSError as exc:
            raise SettingsError(
                f"{variable}: the file cannot be read ({exc.strerror}); accepted: a file in PEM"
            ) from exc
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password="")  # without one, it asks the terminal
    except ssl.SSLError as exc:
        raise _wrong_pair(certificate) from exc
    return context


def require_pair(certificate: Path | None, key: Path | None) -> None:
    """Refuse a certificate without its key, a key without a certificate, and two that differ."""
    if certificate is not None and key is not None:
        tls_context(certificate, key)
    elif certificate is not None or key is not None:
        missing, given = "TLS_KEY_FILE", "TLS_CERT_FILE"
        if certificate is None:
            missing, given = given, missing
        raise SettingsError(f"{missing}: missing, but {given} is set; accepted: both, or none")


def _wrong_pair(certificate: Path) -> SettingsError:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return SettingsError(
            "TLS_CERT_FILE: the file holds no certificate; accepted: the certificate in PEM, then"
            " those of its issuers"
        )
    return SettingsError(
        "TLS_KEY_FILE: the file holds no key of the certificate in TLS_CERT_FILE; accepted: its"
        " private key in PEM, without a password"
    )


def without_blanks(key: SecretStr) -> SecretStr:
    """*key*, if an HTTP header can carry it."""
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("the key is empty or has characters that an HTTP header cannot carry")
    return key


def safe_url(url: str) -> str:
    """Check that *url* is https, or http on this machine: whoever answers decides who gets in."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError("is not an https URL")
    if not parts.hostname or parts.username is not None or parts.port == 0:
        raise ValueError("is not such a URL")
    return url


def path_prefix(path: str) -> str:
    """*path* without a slash at its end, if it can stand before the paths of the API."""
    prefix = path.rstrip("/")
    if not _PATH_PREFIX.fullmatch(prefix) or len(prefix) > _MAX_PREFIX_CHARS:
        raise ValueError(f"{path[:60]!r} is not accepted")
    return prefix


def networks(given: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each is a network (CIDR) or an address."""
    for each in given:
        try:
            ip_network(each)
        except ValueError:
            raise ValueError(f"{each[:60]!r} is not a network") from None
    return given


def half_of_memory() -> int:
    """Half of the memory of the cgroup, or of the machine if that has less; in bytes."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_cgroup_limits()]) // 2


def _cgroup_limits() -> list[int]:
    limits = []
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="ascii")))
    return [limit for limit in limits if limit > 0]
