"""Which instance the command speaks to, and with which credentials: never from its arguments."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kato_client import AsyncKato, Kato

DEFAULT_URL = "http://localhost:8000"
NAMES = ("url", "api_key", "token")


class WrongFileError(Exception):
    """A file that the command reads is not what it should be; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Where it is, and who asks."""

    url: str
    api_key: str | None = None
    token: str | None = None
    warning: str | None = None
    """What the person should change."""

    def client(self, timeout_s: float) -> Kato:
        return Kato(self.url, api_key=self.api_key, token=self.token, timeout_s=timeout_s)

    def asynchronous(self, timeout_s: float) -> AsyncKato:
        return AsyncKato(self.url, api_key=self.api_key, token=self.token, timeout_s=timeout_s)


def instance(url: str | None, file: Path | None, environment: Mapping[str, str]) -> Instance:
    """The instance of *url*, else of the environment, else of the file of credentials.

    Raises:
        WrongFileError: The file cannot be read, or holds something else.
    """
    path = file or default_file(environment)
    # Looking for the default file is not asking for it.
    kept = _read(path) if file is not None or path.exists() else {}
    found = {name: environment.get(f"KATO_{name.upper()}") or kept.get(name) for name in NAMES}
    warnings = [_exposure(path) if kept else None, _secret_in(url) if url else None]
    return Instance(
        url or found["url"] or DEFAULT_URL,
        found["api_key"],
        found["token"],
        "; ".join(filter(None, warnings)) or None,
    )


def default_file(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config"
    return Path(home) / "kato" / "credentials.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongFileError(f"{path} cannot be read as TOML: {error}") from error
    if wrong := [name for name in found if name not in NAMES or not isinstance(found[name], str)]:
        raise WrongFileError(f"{path} may hold the texts {', '.join(NAMES)}, not {wrong[0]!r}")
    return found


def _secret_in(url: str) -> str | None:
    if urlsplit(url).password is None:
        return None
    return "every user of this machine can see the password in --url; put it into KATO_URL"


def _exposure(path: Path) -> str | None:
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return f"others on this machine can read {path}; to change that: chmod 600 {path}"
    return None
