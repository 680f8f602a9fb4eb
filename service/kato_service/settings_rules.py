"""Checks of values of the environment, alone and together (serving.md §7)."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from kato_service.errors import SettingsError

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files with the memory limit of this container, for cgroup version 2 and 1."""


def in_64_bits(value: int) -> int:
    """*value*, if JSON and C can hold it as a signed integer."""
    if value >= 2**63:
        raise ValueError(f"{str(value)[:20]}… is above 2^63 - 1")
    return value


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


def require_pools(min_size: int, max_size: int) -> None:
    """Refuse a MongoDB pool whose minimum is above its maximum."""
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
    """*given*, with the API key that the file of API_KEY_FILE holds, if it is set."""
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
    return given | {"API_KEY": key}


def url_in(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """A check that a URL has one of *schemes*, a host and valid ports."""

    def check(url: SecretStr) -> SecretStr:
        if not _is_url(url.get_secret_value(), schemes):
            raise ValueError("the value is not such a URL")
        return url

    return check


def without_blanks(key: SecretStr) -> SecretStr:
    """*key*, if an HTTP header can carry it."""
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("the key is empty or has characters that an HTTP header cannot carry")
    return key


def words(value: object) -> object:
    """The words that commas separate in *value*."""
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in value.split(",") if word.strip())


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


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        scheme = urlsplit(text).scheme
        authority = urlsplit(text).netloc.rpartition("@")[2]
        hosts = authority.split(",")
        ports_fit = all(urlsplit(f"//{host}").port != 0 for host in hosts)
    except ValueError:
        return False
    return scheme in schemes and ports_fit and all(urlsplit(f"//{host}").hostname for host in hosts)
