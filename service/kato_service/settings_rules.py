"""What values of the environment must be like, alone and together (serving.md §7)."""

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


def in_64_bits(value: int) -> int:
    if value >= 2**63:
        raise ValueError(f"{str(value)[:20]}… is above 2^63 - 1")
    return value


@dataclass(frozen=True, slots=True)
class StoreChoice:
    variable: str
    chosen: str
    """auto | embedded | disabled | the name of a server."""
    url_variable: str
    url: object | None


def chosen_store(choice: StoreChoice) -> None:
    """Refuse a choice without its URL, and a URL that the choice would leave unused."""
    if choice.chosen == "auto":
        return
    given = choice.url is not None
    wanted = choice.chosen not in ("embedded", "disabled")
    if wanted and not given:
        raise SettingsError(
            f"{choice.url_variable}: missing, and {choice.variable}={choice.chosen} needs it; "
            f"accepted: its URL, or {choice.variable}=auto"
        )
    if given and not wanted:
        raise SettingsError(
            f"{choice.variable}: {choice.chosen!r} contradicts {choice.url_variable}, which is "
            "set; accepted: auto, or no URL"
        )


def require_pools(min_size: int, max_size: int) -> None:
    if min_size > max_size:
        raise SettingsError(
            f"MONGO_POOL_MIN_SIZE: {min_size} is above MONGO_POOL_SIZE; "
            f"accepted: an integer from 0 to {max_size}"
        )


def require_shared_stores(workers: int, stores: Mapping[str, str]) -> None:
    """Several processes need stores that they share."""
    missing = [variable for variable, store in stores.items() if store == "embedded"]
    if workers > 1 and missing:
        raise SettingsError(
            f"WORKERS: {workers} processes cannot share an embedded store; "
            f"accepted: 1, or set {', '.join(missing)}"
        )


def key_from_file(given: dict[str, object]) -> dict[str, object]:
    """*given* with the API key that API_KEY_FILE holds."""
    path = given.get("API_KEY_FILE")
    if path is None:
        return given
    if given.get("API_KEY") is not None:
        raise SettingsError("API_KEY_FILE: set beside API_KEY; accepted: one of them")
    try:
        key = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise SettingsError(
            f"API_KEY_FILE: cannot be read ({reason}); accepted: a file that holds the key"
        ) from exc
    if not key:
        raise SettingsError("API_KEY_FILE: holds no key; accepted: a file that holds the key")
    return given | {"API_KEY": key}


def url_in(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """Check of a URL that it has one of *schemes* and a host."""

    def check(url: SecretStr) -> SecretStr:
        if not _is_url(url.get_secret_value(), schemes):
            raise ValueError("is not such a URL")
        return url

    return check


def without_blanks(key: SecretStr) -> SecretStr:
    """An HTTP header carries it: visible ASCII only."""
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds characters that no header can carry")
    return key


def words(value: object) -> object:
    """What commas separate."""
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in value.split(",") if word.strip())


def half_of_memory() -> int:
    """Half of the bytes that the cgroup, or else the machine, may use."""
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
